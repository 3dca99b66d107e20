"""A person's own pairs of a source and a target: files, ready splits, and what is used of them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.errors import UserError
from ..data_path import data_path
from ..digests import digests
from ..left_out import LeftOut
from ..listing import files_below, printable, visible
from ..ready_splits import find_ready_splits, split_named
from ..splits import SPLITS, Row, split_numbers
from ..stored import mapped, selected, stored
from ..table_files import inner_folder
from ..tables.columns import without_repetitions
from ..tables.table import is_table
from .pair_rows import LINE, RECOGNISED, Pair, PairColumns, PairReading, read_pair_rows
from .parallel_files import Parallel, find_parallel_files, read_parallel

SHARE = 0.05  # of all sources, for each of validation and test
LAYOUT = (
    f"a file of lines {LINE}, a table (.csv, .tsv, .jsonl, .parquet), or a folder with train.tsv"
    " and, if any, dev.tsv and test.tsv; or two files of lines, such as train.en and train.fr"
)


class Source(NamedTuple):
    """A source with its reference targets, and the place of its first pair, as far as known."""

    text: str
    targets: list[str]
    place: str = ""


class PairItems(NamedTuple):
    """The result of a reader.

    Attributes:
        sources_of: the sources of each split; those of large files are in a temporary one.
        problems: remarks, one line each.
        source: where the data come from.
        left_out: each pair and file that was left out.
    """

    sources_of: dict[str, Sequence[Source]]
    problems: list[str]
    source: str
    left_out: Sequence[LeftOut] = ()


class Grouped(NamedTuple):
    """The different sources, each with its different targets, and repeated pairs."""

    sources: Sequence[Source]
    left_out: list[LeftOut]


def read_pairs(
    where: str | Path, columns: PairColumns = RECOGNISED, *, ready_splits: bool = True
) -> PairItems:
    """Read the pairs of a file, or of a folder with ready splits.

    A file, whatever its suffix, is split 90/5/5 by a hash of the source. A missing split of a
    folder is carved from train, a twentieth each.

    Texts are NFC-normalised, each run of whitespace becomes one space. Empty lines are skipped.
    Repeated pairs, and pairs of a source that is in an earlier split too, are left out.

    Args:
        where: a file or folder.
        columns: the columns of tables, as far as they are given, and the encoding of text files.
        ready_splits: whether files named train, val, test are splits.

    Raises:
        UserError: no such path, no train file in the folder, a file without pairs or not text,
            columns in doubt, a line that is not two texts with a tab between them.
    """
    where = data_path(where, LAYOUT)
    files = _find_files(where, columns, ready_splits)
    groups: dict[str, Grouped] = {}
    left_out, remarks, header = [*files.left_out], [*files.remarks], None
    for split, path in files.paths.items():
        reading = _read(path, columns, header)
        header = reading.has_header if split == "train" else header
        groups[split] = group(reading.pairs)
        left_out += [*reading.left_out, *groups[split].left_out]
        remarks += reading.remarks
        if not groups[split].sources:
            raise UserError(_no_pair(path, reading))
    items = with_every_split(groups, printable(where))
    carved = items.problems if files.ready else []  # a single file has no splits
    return items._replace(
        problems=[*carved, *without_repetitions(remarks)], left_out=[*left_out, *items.left_out]
    )


def _read(path: Path | Parallel, columns: PairColumns, header: bool | None) -> PairReading:
    if isinstance(path, Parallel):
        return read_parallel(path, columns.encoding)
    return read_pair_rows(path, columns, header)


def _no_pair(path: Path | Parallel, reading: PairReading) -> str:
    path = path.sources if isinstance(path, Parallel) else path
    first = [f"; {item.where}: {item.reason}" for item in [*reading.left_out][:1]]
    return f"--data-dir {printable(path)}: no pair in it; expected lines {LINE}{''.join(first)}"


class _Files(NamedTuple):
    """The file of each split, whether the splits are ready, and what is beside them."""

    paths: Mapping[str, Path | Parallel]
    ready: bool = False
    left_out: Sequence[LeftOut] = ()
    remarks: Sequence[str] = ()


def _find_files(where: Path, columns: PairColumns, use_splits: bool) -> _Files:
    if where.is_file():
        return _Files({"train": where})
    top = inner_folder(where)
    if (parallel := _parallel_splits(top, columns, use_splits)) is not None:
        return parallel
    ready = find_ready_splits(top, lambda path: _data_file(path) is not None, use_splits)
    paths = {split: _data_file(path) or path for split, path in ready.paths.items()}
    reason, others = "not in a split", ready.others
    if not paths:
        paths, reason, others = {"train": _only_file(top, where)}, "beside the table", visible(top)
    left_out = [
        LeftOut(printable(file), reason)
        for path in others
        for file in files_below(path)
        if file not in paths.values()
    ]
    return _Files(paths, bool(ready.paths), left_out, ready.remarks)


def _parallel_splits(where: Path, columns: PairColumns, use_splits: bool) -> _Files | None:
    """Return the parallel files of a folder, by split; None if it holds others."""
    found = find_parallel_files(where, columns)
    splits = {split_named(Path(name)): pair for name, pair in found.items()} if use_splits else {}
    paths = {split: splits[split] for split in SPLITS if split in splits}
    if "train" not in paths:
        if len(found) != 1:
            return None
        paths = {"train": next(iter(found.values()))}
    used = {path for pair in paths.values() for path in pair}
    beside = [file for path in visible(where) for file in files_below(path) if file not in used]
    left_out = [LeftOut(printable(file), "not in a split") for file in beside]
    return _Files(paths, "train" in splits, left_out)


def _data_file(path: Path) -> Path | None:
    """Return a file of pairs: the path itself, or the only one in a folder."""
    if path.is_dir():
        files = [inner for inner in visible(path) if inner.is_file() and _data_file(inner)]
        return files[0] if len(files) == 1 else None
    return path if is_table(path) or path.suffix.lower() in (".txt", "") else None


def _only_file(folder: Path, where: Path) -> Path:
    """Return the only file of a folder that can hold pairs, or that of its only sub-folder.

    Raises:
        UserError: there is none; the message names the folder `where` that was given.
    """
    for inner in (folder, *visible(folder)):
        if inner.is_dir() and (file := _data_file(inner)) is not None:
            return file
    raise UserError(
        f"--data-dir {printable(where)}: no train.tsv or train.txt in it; expected {LAYOUT}"
    )


def group(pairs: Sequence[Pair]) -> Grouped:
    """Return the distinct targets of each source, in order."""
    of = digests(pair.source for pair in pairs)
    _, first, number_of = np.unique(of, return_index=True, return_inverse=True)
    rank = np.empty(len(first), int)
    rank[np.argsort(first)] = np.arange(len(first))  # sources in the order of their first pairs
    order = np.argsort(rank[number_of], kind="stable")
    ends = np.cumsum(np.bincount(rank[number_of], minlength=len(first))).tolist()
    repeated: list[int] = []

    def sources() -> Iterator[Source]:
        for start, end in itertools.pairwise([0, *ends]):
            distinct: dict[str, None] = {}  # a dict is a set in order
            for index in order[start:end].tolist():
                if pairs[index].target in distinct:
                    repeated.append(index)
                distinct[pairs[index].target] = None
            head = pairs[int(order[start])]
            yield Source(head.source, list(distinct), head.place)

    grouped = stored(sources())
    return Grouped(grouped, [LeftOut(pairs[i].place, "repeated pair") for i in sorted(repeated)])


def with_every_split(groups: Mapping[str, Grouped], name: str) -> PairItems:
    """Keep each source in one split only, and carve missing splits from train."""
    missing = [split for split in SPLITS[1:] if split not in groups]
    sources_of, left_out = _apart(groups)
    problems = []
    if missing:
        sources_of |= _carve(sources_of["train"], ["train", *missing])
        problems.append(f"{name}: no {' and no '.join(missing)} split; carved from train")
    return PairItems(sources_of, problems, name, left_out)


def _apart(
    groups: Mapping[str, Grouped],
) -> tuple[dict[str, Sequence[Source]], list[LeftOut]]:
    """Keep each source in the first of its splits only: no test source is used in training."""
    apart: dict[str, Sequence[Source]] = {}
    seen: dict[str, np.ndarray] = {}
    left_out = []
    for split, (sources, _) in groups.items():
        of = digests(source.text for source in sources)
        is_new = np.ones(len(of), bool)
        for earlier, others in seen.items():
            is_known = np.isin(of, others)
            is_new &= ~is_known
            reason = f"its source is in {earlier} too"
            left_out += [
                LeftOut(sources[index].place, reason, f"in {split}")
                for index in np.flatnonzero(is_known).tolist()
            ]
        apart[split], seen[split] = selected(sources, np.flatnonzero(is_new)), of[is_new]
    return apart, left_out


def _carve(sources: Sequence[Source], splits: list[str]) -> dict[str, Sequence[Source]]:
    """Assign sources to splits; those that differ in letter case only stay together."""
    rows = mapped(sources, lambda source: Row("", source.text))
    numbers = split_numbers(rows, len(splits), share=SHARE)
    return {
        split: selected(sources, np.flatnonzero(numbers == n)) for n, split in enumerate(splits)
    }
