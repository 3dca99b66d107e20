"""Reading the user's own pairs: lines of a source and a target."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import UserError
from ..left_out import LeftOut
from ..splits import SPLITS, Row, assign_splits
from ..utf8 import collapse_whitespace, numbered_lines, split_paths, unique_paths

SHARE = 0.05  # of all sources, for each of validation and test
LINE = "source<TAB>target"
LAYOUT = f"a file of lines {LINE}, or a folder with train.tsv and, if any, dev.tsv and test.tsv"

Targets = dict[str, list[str]]  # reference targets by source


class PairItems(NamedTuple):
    """The result of a reader: targets by split, problems (one line each) and the source."""

    targets_of: dict[str, Targets]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


def read_pairs(where: str | Path) -> PairItems:
    """Read the pairs of a file of lines source<TAB>target, or of a folder with predefined splits.

    A file, whatever its suffix, is split 90/5/5 by a hash of the source. The splits of a folder
    are files (.tsv, .txt) named train, validation (valid, dev) and test; a missing one is carved
    from train, a twentieth each.

    Texts are NFC-normalised, each run of whitespace becomes one space. Empty lines are skipped.
    Repeated pairs, and pairs of a source that is in an earlier split too, are left out and counted.

    Raises:
        UserError: no such path, no train file in the folder, a file without pairs or not UTF-8, a
            line that is not two texts with a tab between them.
    """
    where = Path(where).expanduser()
    if not where.exists():
        raise UserError(f"--data-dir {where}: no such file or folder; expected {LAYOUT}")
    paths = _ready_splits(where) if where.is_dir() else {"train": where}
    targets_of, problems = {}, []
    for split, path in paths.items():
        targets_of[split], repeated = group(_pairs(path))
        if not targets_of[split]:
            raise UserError(f"--data-dir {path}: no pair in it; expected lines {LINE}")
        if repeated:
            problems.append(f"{path}: {repeated:,} repeated pairs left out")
    targets_of, carved = with_every_split(targets_of, str(where))
    if not where.is_dir():
        carved = []  # a single file has no splits
    return PairItems(targets_of, carved + problems, str(where))


def _ready_splits(where: Path) -> dict[str, Path]:
    """Return the file of each split of a folder."""
    paths_of = {
        split: [path for path in paths if path.is_file()]
        for split, paths in split_paths(where).items()
    }
    if not paths_of["train"]:
        raise UserError(f"--data-dir {where}: no train.tsv or train.txt in it; expected {LAYOUT}")
    return unique_paths(paths_of, where)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in numbered_lines(path):
        if line.strip():
            try:
                yield parse(line)
            except ValueError as problem:
                raise UserError(f"{path}:{number}: {problem}; expected {LINE}") from None


def parse(line: str) -> tuple[str, str]:
    """Return source and target of a line; raise ValueError if it is malformed."""
    source, *targets = map(collapse_whitespace, line.split("\t"))
    if not targets:
        raise ValueError("no tab in the line")
    if len(targets) > 1:
        raise ValueError(f"a third column ({targets[1][:40]!r})")
    if not source:
        raise ValueError("empty source")
    if not targets[0]:
        raise ValueError("empty target")
    return source, targets[0]


def group(pairs: Iterable[tuple[str, str]]) -> tuple[Targets, int]:
    """Return the distinct targets of each source, in order, and the number of repeated pairs."""
    targets: dict[str, dict[str, None]] = {}  # a dict is a set in order
    repeated = 0
    for source, target in pairs:
        distinct = targets.setdefault(source, {})
        repeated += target in distinct
        distinct[target] = None
    return {source: list(distinct) for source, distinct in targets.items()}, repeated


def with_every_split(
    targets_of: dict[str, Targets], name: str
) -> tuple[dict[str, Targets], list[str]]:
    """Keep each source in one split only, and carve missing splits from train; add the problems."""
    missing = [split for split in SPLITS[1:] if split not in targets_of]
    targets_of, problems = _apart(targets_of)
    if missing:
        targets_of |= _carve(targets_of["train"], ["train", *missing])
        problems.insert(0, f"{name}: no {' and no '.join(missing)} split; carved from train")
    return targets_of, problems


def _apart(targets_of: dict[str, Targets]) -> tuple[dict[str, Targets], list[str]]:
    """Keep each source in the first of its splits only: no test source is used in training."""
    apart: dict[str, Targets] = {}
    problems = []
    for split, targets in targets_of.items():
        kept = targets
        for earlier, others in apart.items():
            if shared := [source for source in targets if source in others]:
                problems.append(
                    f"{split}: {len(shared):,} of {len(targets):,} sources are in {earlier} too,"
                    f" first {shared[0]!r}; left out"
                )
                kept = {source: kept[source] for source in kept if source not in others}
        apart[split] = kept
    return apart, problems


def _carve(targets: Targets, splits: list[str]) -> dict[str, Targets]:
    """Assign sources to splits; those that differ in letter case only stay together."""
    rows_of = assign_splits([Row("", source) for source in targets], splits, share=SHARE)
    return {split: {row.text: targets[row.text] for row in rows} for split, rows in rows_of.items()}
