"""`predict` of the task series: forecasts after the last rows of files, or answers for series.

Files are found, and a run is chosen, before TensorFlow is loaded.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.console import complain, is_terminal_input, note
from ..core.errors import UserError
from ..core.run_selection import choose_run
from ..datasets.listing import printable
from ..datasets.series.gaps import filled_in_words
from ..datasets.series.npz_arrays import is_npz
from ..datasets.tables.columns import without_repetitions
from ..datasets.tables.table import is_table
from ..training.answers import Answers
from ..training.inputs import STDIN, Reader, path_reader, read_inputs
from ..training.prediction import FAILED, PredictSettings
from ..training.verbs import load_for
from .printed import by_step, lines_of

BATCH = 256  # files at a time


def predict_files(task: str, files: Sequence[str], config: PredictSettings) -> int:
    """Print the predictions for all files; return the exit code."""
    if not files and is_terminal_input():
        raise UserError(f"errorflow {task} predict takes files, or the rows of a table on stdin")
    run = choose_run(config.run, task)
    answers = Answers(config.format, "file", lines_of, top=1)
    forecaster, failed = None, False
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path, fault in _inputs(files, Path(folder)):
            if not fault and forecaster is None:
                load_for(run)
                from .forecaster import Forecaster

                forecaster = Forecaster.of_run(run)
            try:
                if fault or forecaster is None:
                    raise UserError(fault)
                found = forecaster.read(Path(path))
                rows = [*forecaster.answers(name, found.series)]
                answers.write([*by_step(rows)] if config.csv else rows)
                for line in without_repetitions([*said, *found.remarks])[len(said) :]:
                    said.append(line)
                    note(line.replace(path, name))
                if found.filled:  # of each file
                    words = filled_in_words(found.filled, forecaster.settings.max_gap)
                    note(f"{printable(name)}: {words}")
                faults = found.faults
            except UserError as error:
                faults = [str(error)]
            for line in faults:
                complain(line.replace(path, name))
            failed = failed or bool(faults)
    return FAILED if failed else 0


def file_reader() -> Reader:
    """Return how files of series are read from arguments and folders."""
    return path_reader(None, lambda path: is_table(path) or is_npz(path), lambda folder: False)


def _inputs(files: Sequence[str], folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the path and the fault of each input; stdin is written to a file."""
    reader = file_reader()
    for name in files or [STDIN]:
        if name == STDIN:
            path = folder / "stdin.csv"
            path.write_bytes(sys.stdin.buffer.read())
            yield "stdin", str(path), ""
            continue
        for batch in read_inputs([name], reader, False, BATCH):
            yield from ((item.value, item.value, item.fault) for item in batch)
