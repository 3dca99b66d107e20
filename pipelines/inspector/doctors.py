"""The answers of the doctor, which stand in the folders of runs. No TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...callbacks.treatment.answer import Answer
from ..core.errors import DamagedFile
from ..core.files import read_json
from ..core.run_folder import RunFolder
from ..core.shell import shell_flag
from .doctor_table import Row, head_of, rows_of
from .media import PNG
from .trainings import UNTREATED, Training

FILE = "doctor.json"
PICTURE = "answer.png"


def _places(training: str, log_dir: str | Path) -> list[Path]:
    """Return the folders that may be that of the run which has logged a training.

    Args:
        training: the name of the training.
        log_dir: the folder that TensorBoard shows, "" if there is none: one of runs, a run, or its
            logs.
    """
    if not log_dir:
        return []
    shown = Path(log_dir)
    own = [shown / training]
    if training == shown.resolve().name:  # it has the name of the folder that it is in
        own += [shown, *([shown.parent] if training == "logs" else [])]
    return own


def folder_of(training: str, log_dir: str | Path) -> Path | None:
    """Return where the doctor has written its answer about a training; None if there is none.

    Args:
        training, log_dir: see `_places`.
    """
    folders = [run / "doctor" for run in _places(training, log_dir)]
    return next((folder for folder in folders if (folder / FILE).is_file()), None)


def existing_folder(training: str, log_dir: str | Path) -> Path:
    """Return `folder_of` a training.

    Raises:
        KeyError: the doctor has written nothing about it.
    """
    folder = folder_of(training, log_dir)
    if folder is None:
        raise KeyError(f"answer of the doctor about {training}")
    return folder


def about(training: Training, every: Sequence[Training], log_dir: str | Path) -> dict[str, Any]:
    """Return what the list of trainings says of the doctor.

        doctor   what changes when the answer about the training does, or the trials that can be
                 compared; None if there is no answer
        call     the command that calls the doctor; "" if it cannot treat the training

    Args:
        training: a training.
        every: all trainings.
        log_dir: see `_places`.
    """
    folder = None if training.trial else folder_of(training.name, log_dir)
    call = "" if training.trial else _call_for(training.name, log_dir)
    if folder is None:
        return {"doctor": None, "call": call}
    try:
        written = (folder / FILE).stat().st_mtime
    except OSError:  # it has just been removed
        written = 0.0
    trials = len(trials_of(training.name, every))
    return {"doctor": {"written": written, "trials": trials}, "call": call}


def trials_of(run: str, every: Sequence[Training]) -> list[Training]:
    """Return the trials of the doctor for a run."""
    return [one for one in every if one.trial is not None and one.trial.run == run]


def _call_for(training: str, log_dir: str | Path) -> str:
    runs = [RunFolder(place) for place in _places(training, log_dir)]
    run = next((run for run in runs if run.config_file.is_file()), None)
    if run is None:
        return ""
    return f"errorflow {run.path.resolve().parent.name} doctor {shell_flag('--run', run.path)}"


def read_answer(folder: Path) -> Answer:
    """Return an answer.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    try:
        return Answer.from_json(read_json(folder / FILE))
    except DamagedFile as error:
        raise ValueError(f"{FILE}: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"{FILE}: {error}") from None


def sentence_of(answer: Answer) -> str:
    """Return the sentence of an answer, and whether it is only a part."""
    unfinished = "" if answer.is_complete else " The doctor has not finished yet."
    return f"{answer.sentence}.{unfinished}"


def command_of(folder: Path) -> str:
    """Return the command that trains the best treatment; empty if there is none."""
    config = folder / "best" / "config.yaml"
    if not config.is_file():
        return ""
    task = folder.resolve().parent.parent.name
    return f"errorflow {task} train {shell_flag('--config', config)}"


def described(folder: Path, trials: Sequence[Training]) -> dict[str, Any]:
    """Return an answer as the tab shows it.

        sentence     what the doctor says
        head, rows   the table; see `doctor_table`. Of each row, `trials` are the names of the
                     untreated and the treated training, if both have records to compare
        command      what trains the best treatment; "" if there is none
        picture      whether there is a picture

    Args:
        folder: the folder of the doctor.
        trials: the trainings of the doctor that have records.

    Raises:
        ValueError: the answer is damaged, or of a later version.
    """
    answer, names = read_answer(folder), _names(trials)
    rows = [row._asdict() | {"trials": _pair(row, names)} for row in rows_of(answer)]
    return {
        "sentence": sentence_of(answer),
        "head": head_of(answer),
        "rows": rows,
        "command": command_of(folder),
        "picture": (folder / PICTURE).is_file(),
    }


def logs_of(folder: Path, remedies: str) -> Path | None:
    """Return the logs of the trial with the first seed; None if there is none.

    Args:
        folder: the folder of the doctor.
        remedies: the names of its remedies, "lstm+clip-norm"; "" is untreated.
    """
    trials = (folder / "trials" / (remedies or UNTREATED)).glob("seed-*")
    logs = [trial / "run" / "logs" for trial in sorted(trials, key=lambda one: _seed(one.name))]
    return next(filter(Path.is_dir, logs), None)


def _seed(name: str) -> int:
    number = name.removeprefix("seed-")
    return int(number) if number.isdecimal() else 0


def read_picture(folder: Path) -> bytes:
    """Return the picture of an answer.

    Raises:
        KeyError: there is none.
    """
    try:
        content = (folder / PICTURE).read_bytes()
    except OSError:
        content = b""
    if not content.startswith(PNG):
        raise KeyError(f"picture in {folder}")
    return content


def _pair(row: Row, names: Mapping[str, str]) -> list[str]:
    """Return the names of the untreated and the treated training; empty if one has no records."""
    pair = [names[key] for key in ("", row.key) if key in names]
    return pair if row.key and len(pair) == 2 else []


def _names(trials: Sequence[Training]) -> dict[str, str]:
    """Return the name of the training with the first seed, by its remedies, "lstm+clip-norm"."""
    found = [(one.trial, one.name) for one in trials if one.trial is not None]
    found.sort(key=lambda one: -one[0].seed)
    return {"+".join(trial.remedies): name for trial, name in found}
