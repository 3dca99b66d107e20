"""The generations of a backup, as `backup` writes them: what their .json files hold."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .integrity import checksum, damaged_or_missing, is_whole_hdf5, is_whole_model, whole_json

INDEX = "state.json"
_OLD_KEYS = {"epochs": int, "random": list, "best": float | None, "best_epoch": int, "waited": int}
_KEYS = _OLD_KEYS | {"history": str, "sha256": dict}


class Generation(NamedTuple):
    """The state of a training after an epoch.

    Attributes:
        file: the file that was read.
        state: its content.
    """

    file: Path
    state: Mapping[str, Any]

    @property
    def epochs(self) -> int:
        return self.state["epochs"]

    @property
    def weights(self) -> Path:
        return weights_file(self.file.parent, self.epochs)

    @property
    def history(self) -> str | None:
        """The text of history.csv; None in a backup of an earlier version."""
        return self.state.get("history")

    def matches(self, path: Path) -> bool:
        """Whether a file is the one of this epoch.

        A backup of an earlier version has no checksums: there, whether it is whole.
        """
        expected = self.state.get("sha256", {path.name: None}).get(path.name, "")
        if expected is None:
            return is_whole_model(path) if path.suffix == ".keras" else is_whole_hdf5(path)
        return path.is_file() and checksum(path) == expected

    def is_last(self, path: Path, last: Path) -> bool:
        """Whether a file has the content of last.keras after this epoch."""
        expected = self.state.get("sha256", {}).get(last.name)
        return path.is_file() and checksum(path) == expected


def weights_file(folder: Path, epochs: int) -> Path:
    """Return the file of the weights after an epoch."""
    return folder / f"epoch-{epochs:04d}.weights.h5"


def readable_generations(folder: Path, faults: list[str]) -> Iterator[Generation]:
    """Yield the generations whose state can be read; add what is damaged or gone to `faults`."""
    index_file = folder / INDEX
    found = {path.name: path for path in folder.glob("epoch-*.json")}
    index = whole_json(index_file) or {}
    if _has(index, _OLD_KEYS):  # of an earlier version, which had one generation
        yield Generation(index_file, index)
        return
    sums = _sums(index)
    if not sums and (index_file.exists() or len(found) > 1):
        faults.append(f"{index_file} is {damaged_or_missing(index_file)}")
    for name in {**sums, **found}:
        path = folder / name
        state = whole_json(path) or {}
        if _has(state, _KEYS) and sums.get(name) in (None, checksum(path)):
            yield Generation(path, state)
        else:
            faults.append(f"{path} is {damaged_or_missing(path)}")


def _sums(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the checksums of the generations by name; empty if state.json is damaged."""
    try:
        sums = {str(entry["file"]): str(entry["sha256"]) for entry in index["generations"]}
    except (KeyError, TypeError):
        return {}
    return sums if all(re.fullmatch(r"epoch-\d{4,}\.json", name) for name in sums) else {}


def _has(state: Mapping[str, Any], kinds: Mapping[str, Any]) -> bool:
    """Whether a state has these keys, with values of these types."""
    return all(key in state and isinstance(state[key], kind) for key, kind in kinds.items())
