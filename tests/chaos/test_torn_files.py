"""Files of a run folder that are empty, cut, flipped, full of zeros, or gone.

Whatever is damaged: other runs stay listed and usable, each command ends as it must, and a resumed
training either ends with the weights of an undisturbed one, or is refused and changes nothing.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import invariant, weights
from chaos.processes import Process
from tasks import train_flags

EPOCHS = 4
PARALLEL = 2
# Pictures, samples and the model card: no command may depend on them. They are damaged together.
FREE = ("plots", "samples", "README.md", "environment.json")
# The files that a command cannot do without.
NEEDED = {
    "runs": (),
    "report": ("results.json", "config.yaml"),
    "predict": ("results.json", "config.yaml", "best.keras"),
    "evaluate": ("results.json", "config.yaml", "best.keras"),
    # Whoever holds a lock that is damaged could still train.
    "resume": (
        *("results.json", "config.yaml", "history.csv", "best.keras", "last.keras", "backup"),
        "lock.json",
    ),
}


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    """Change one bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda _: b"",
    "cut": cut,
    "flipped": flip,
    "zeros": lambda content: bytes(len(content)),
    "gone": lambda _: None,
}


@pytest.fixture(scope="module", params=["bag", "lstm"])
def base(request, tmp_path_factory) -> Path:
    """<model>/runs/names/: whole, of four epochs; finished, of three; interrupted, in the third."""
    base = tmp_path_factory.mktemp("torn") / request.param
    base.mkdir()
    common = [*train_flags("names", base), "--jit", "off", "--device", "cpu", "--patience", "0"]

    def line(name: str, epochs: int) -> list[str]:
        own = ["--name", name, "--model", request.param, "--epochs", str(epochs)]
        own += ["--schedule", "constant"]  # for all numbers of epochs the same
        return ["names", "train", *common, *own]

    lines = [line("whole", EPOCHS), line("finished", EPOCHS - 1)]
    ends = Process(*lines, cwd=base, output=base / "made").wait()
    assert [end.code for end in ends] == [0, 0], ends[-1].err
    killed = Process(line("interrupted", EPOCHS), cwd=base, output=base / "killed")
    while f"epoch {EPOCHS - 1}/" not in killed.printed(0, "out") and killed.is_alive:
        time.sleep(0.01)
    killed.kill()
    return base


def damages(run: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """(what, how, files): every file with every damage; logs at once, and what is free at once."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        group = "free" if name.startswith(FREE) else "logs" if name.startswith("logs") else name
        groups.setdefault(group, []).append(path.relative_to(run))
    for group, paths in groups.items():
        for how in DAMAGES:
            yield group, how, paths


@pytest.mark.parametrize("state", ["interrupted", "finished"])
def test_a_damaged_file_harms_nothing_else(state: str, base: Path, tmp_path: Path, summary):
    """Of the LSTM only the logs are damaged, which hold its error; else it is like the bag."""
    cases = [
        c for c in damages(base / "runs/names" / state) if base.name == "bag" or c[0] == "logs"
    ]

    def faults_of(case: tuple[str, str, list[Path]]) -> list[str]:
        what, how, paths = case
        here = tmp_path / f"{what.replace('/', '-')}-{how}"
        shutil.copytree(base / "runs", here / "runs")
        _damage(here / "runs/names" / state, how, paths)
        faults = [f"{what} {how}: {fault}" for fault in _faults(here, state, what)]
        shutil.rmtree(here)
        print(f"{what} {how}: {faults}", flush=True)
        return faults

    with ThreadPoolExecutor(PARALLEL) as pool:
        faults = [fault for found in pool.map(faults_of, cases) for fault in found]
    summary(f"torn files, {base.name}, {state}: {len(cases)} damages, {len(faults)} faults")
    assert faults == []


def _lasting_results(run: Path) -> dict | bytes:
    """The content of results.json, if it can be read without the figures that `evaluate` writes."""
    file = run / "results.json"
    content = file.read_bytes() if file.exists() else b""
    try:
        results = json.loads(content)
    except ValueError:
        return content
    return {key: value for key, value in results.items() if key != "test"}


def _damage(run: Path, how: str, paths: list[Path]) -> None:
    for path in paths:
        content = DAMAGES[how]((run / path).read_bytes())
        if content is None:
            (run / path).unlink()
        else:
            (run / path).write_bytes(content)


def _faults(here: Path, state: str, what: str) -> Iterator[str]:
    """Run every command on a folder with a damaged run; yield what must not be."""
    run, other = here / "runs/names" / state, here / "runs/names/whole"
    before, neighbour = invariant.digests(run), invariant.digests(other)
    results = _lasting_results(run)
    lines = {
        "runs": ["runs"],
        "predict": ["names", "predict", "--name", state, "abba"],
        "evaluate": ["names", "evaluate", "--name", state],
        "report": ["report", state],
        "resume": ["names", "train", "--resume", "--name", state, "--epochs", str(EPOCHS)],
        "predict of another run": ["names", "predict", "--name", "whole", "abba"],
    }
    ends = Process(*lines.values(), cwd=here, output=here / "output").wait()
    for (name, line), end in zip(lines.items(), ends, strict=True):
        yield from _fault(name, line, end, what)
    yield from _resumed(ends[[*lines].index("resume")].code, run, other, before)
    if _lasting_results(run) != results and ends[[*lines].index("resume")].code:
        yield "refused, and yet results.json has changed"
    if invariant.digests(other) != neighbour:
        yield "another run has changed"


def _fault(command: str, line: list[str], end: invariant.Ended, what: str) -> Iterator[str]:
    """Yield what is wrong with how a command ended."""
    needs = any(what.startswith((name, f"checkpoints/{name}")) for name in NEEDED.get(command, ()))
    try:
        invariant.check(end, (0, 2, 3) if "predict" in line else (0, 2))
    except AssertionError as error:
        yield f"{command}: {str(error)[-600:]}"
    else:
        if end.code and not needs:
            yield f"{command} is refused: {end.err[-300:]}"


def _resumed(code: int, run: Path, other: Path, before: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with a run after it was resumed, or its training was refused."""
    if code == 0:
        for name in ("checkpoints/last.keras", "checkpoints/best.keras"):
            if differing := weights.differing(run / name, other / name):
                yield f"after the resume, {len(differing)} weights of {name} differ"
        if (rows := weights.history_of(run)) != weights.history_of(other):
            yield f"after the resume, the history differs: {[row['epoch'] for row in rows]}"
        return
    now = invariant.digests(run)
    changed = [name for name, digest in before.items() if now.get(name) != digest]
    # `evaluate` writes pictures and figures; the lock names its holder.
    free = ("plots/", "lock.json", "results.json")
    if changed := [name for name in changed if not name.startswith(free)]:
        yield f"refused, and yet changed: {changed}"
