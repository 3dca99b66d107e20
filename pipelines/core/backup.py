"""The backup of a training: two generations, so that a damaged file costs an epoch and not the run.

    checkpoints/backup/
        epoch-0004.weights.h5   weights and optimizer after epoch 4
        epoch-0004.json         counters, history.csv, and the checksums of the files of that epoch
        epoch-0003.…            the generation before
        state.json              names both, the newest first, with the checksums of their .json

A generation counts from the moment that its .json is written, which refers to complete files only.
Before that, best.keras, last.keras and history.csv are written here as pending files; they take
their places after it, in a resumed training too. So each of them always belongs to a generation.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .errors import UserError
from .files import write_json, write_text
from .generation import INDEX, Generation, readable_generations, weights_file
from .integrity import checksum, damaged_or_missing, is_whole_model
from .run_folder import RunFolder, read_history

GENERATIONS = 2


class Restart(NamedTuple):
    """Where a training continues.

    Attributes:
        generation: the newest generation that is whole.
        faults: what is damaged in newer ones.
        best: the generation of which best.keras must be made again; None: best.keras is there.
        best_is_last: whether a person has replaced best.keras by last.keras.
    """

    generation: Generation
    faults: list[str]
    best: Generation | None = None
    best_is_last: bool = False


class Backup:
    """The backup in a run folder, which need not exist yet."""

    def __init__(self, run: RunFolder):
        self.run, self.folder = run, run.backup
        self._index = run.backup / INDEX
        self._entries: list[dict[str, Any]] = []  # those of state.json
        self._sums: dict[str, str] = {}  # checksums of the run's files, by name

    def weights(self, epochs: int) -> Path:
        """Return where the weights after an epoch belong."""
        return weights_file(self.folder, epochs)

    def pending(self, path: Path) -> Path:
        """Return where a file of the run is written before the generation that it belongs to."""
        return self.folder / f".pending-{path.name}"

    # Reading

    def restart(self) -> Restart | None:
        """Return where the training continues; None: it has not completed an epoch.

        Raises:
            UserError: it cannot be known, because of what is damaged or gone.
        """
        faults: list[str] = []
        generation = next(self._whole(faults), None)
        if generation is not None:
            return self._with_best(Restart(generation, faults))
        if faults or any(path.exists() for path in self._files):
            reasons = ", ".join(faults) or f"{self._index} is missing"
            raise self._refusal(f"{reasons}; its number of epochs is unknown")
        return None

    @property
    def _files(self) -> tuple[Path, ...]:
        return self.run.best, self.run.last, self.run.history_file

    def _whole(self, faults: list[str]) -> Iterator[Generation]:
        """Yield the generations that are whole, the newest first; add what is not to `faults`."""
        for generation in sorted(
            readable_generations(self.folder, faults), key=lambda g: g.epochs, reverse=True
        ):
            weights, history = generation.weights, self.run.history_file
            if not generation.matches(weights):
                faults.append(f"{weights} is {damaged_or_missing(weights)}")
            elif generation.history is None and len(read_history(self.run)) < generation.epochs:
                faults.append(f"{history} has fewer than {generation.epochs} epochs")
            else:
                yield generation

    def _with_best(self, restart: Restart) -> Restart:
        """Add how best.keras is to be had.

        Raises:
            UserError: it is damaged or gone, and cannot be made again.
        """
        best, generation = self.run.best, restart.generation
        is_none = generation.state["best_epoch"] == 0  # the monitored figure was never a number
        if is_none or self._is_pending(best, generation) or generation.matches(best):
            return restart
        if generation.is_last(best, self.run.last):
            return restart._replace(best_is_last=True)
        for other in self._whole([]):
            if other.epochs == generation.state["best_epoch"]:
                return restart._replace(best=other)
        if restart.faults and is_whole_model(best):  # of a later epoch, which is trained again
            return restart
        raise self._refusal(
            f"{best} (epoch {generation.state['best_epoch']}) is {damaged_or_missing(best)}, and"
            " the backup has later epochs only; to continue with last.keras as the best so far,"
            " copy it to best.keras"
        )

    def _is_pending(self, path: Path, generation: Generation) -> bool:
        pending, sums = self.pending(path), generation.state.get("sha256", {})
        return pending.is_file() and checksum(pending) == sums.get(path.name)

    def _refusal(self, reason: str) -> UserError:
        whole = [path.name for path in (self.run.best, self.run.last) if is_whole_model(path)]
        usable = " and ".join(whole) or "no model"
        return UserError(
            f"cannot resume {self.run.path}: {reason}. {usable} in it can still be used; to train"
            " from the beginning, give another --name, or --overwrite"
        )

    # Continuing

    def restore_files(self, restart: Restart) -> list[str]:
        """Put pending files in their places, and restore history.csv.

        Returns:
            What was damaged, in sentences.
        """
        generation, history = restart.generation, self.run.history_file
        notes = []
        if restart.faults:
            faults = ", ".join(restart.faults)
            notes.append(f"backup: {faults}; continuing after epoch {generation.epochs}")
        for path in self._files:
            if self._is_pending(path, generation):
                self.pending(path).replace(path)
        self.discard_pending()
        if generation.history is not None and not generation.matches(history):
            write_text(history, generation.history)
            if not restart.faults:
                notes.append(f"{history} was damaged or changed: restored from the backup")
        return notes

    def continue_from(self, generation: Generation) -> None:
        """Let the next generation follow one that was restored."""
        is_old = generation.file == self._index
        self._entries = [] if is_old else [_entry(generation.file)]
        self._sums = {path.name: checksum(path) for path in self._files if path.exists()}

    def discard_pending(self) -> None:
        """Delete the pending files of an epoch that was not completed."""
        for path in self._files:
            self.pending(path).unlink(missing_ok=True)

    def commit(self, epochs: int, counters: Mapping[str, Any]) -> None:
        """Add a generation, whose weights and pending files are written; delete the third one."""
        pending = [path for path in self._files if self.pending(path).exists()]
        self._sums |= {path.name: checksum(self.pending(path)) for path in pending}
        weights, file = self.weights(epochs), self.folder / f"epoch-{epochs:04d}.json"
        state = {
            "epochs": epochs,
            **counters,
            "history": self.pending(self.run.history_file).read_bytes().decode(),
            "sha256": self._sums | {weights.name: checksum(weights)},
        }
        write_json(file, state)
        self._entries = [_entry(file), *self._entries][:GENERATIONS]
        write_json(self._index, {"generations": self._entries})
        for path in pending:
            self.pending(path).replace(path)
        self._delete_others()

    def _delete_others(self) -> None:
        kept = {str(entry["file"]).removesuffix(".json") for entry in self._entries}
        for pattern in ("epoch-*", ".writing-epoch-*"):
            for path in self.folder.glob(pattern):
                if path.name.partition(".")[0] not in kept:
                    path.unlink()


def _entry(file: Path) -> dict[str, Any]:
    return {"file": file.name, "sha256": checksum(file)}
