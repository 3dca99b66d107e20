"""`export --check`: a person's inputs, answered by each exported format and by the original."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.console import complain, print_table, say
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..datasets.listing import printable
from .export import PLACES, TOLERANCE, check_formats
from .inputs import Input, read_inputs

INT8_TOLERANCE = 0.1  # of outputs without labels or texts; those with these are compared by them
SHOWN = 5  # inputs that are named for each format
INT8 = "int8"  # the end of the names of formats whose numbers are rounded
DIFFERENT, BROKEN = 1, 3  # exit codes; the second one as of `predict`
Answer = Callable[[Any], dict[str, Any]]  # raw inputs [B, …] → outputs by name, as arrays


@dataclasses.dataclass
class Comparison:
    """How one format's answers compare with the original's."""

    name: str
    answer: Answer
    is_rounded: bool  # to int8
    inputs: int = 0
    largest: float = 0.0
    different: list[str] = dataclasses.field(default_factory=list)

    def add(self, text: str, raw: Any, expected: dict[str, Any]) -> None:
        """Answer an input, and compare with the original's outputs."""
        from .export_comparison import answers, difference, numeric

        outputs, expected = _best(self.answer(raw)), _best(expected)
        self.inputs += 1
        self.largest = max(self.largest, difference(numeric(outputs), numeric(expected)))
        tolerance = TOLERANCE
        if self.is_rounded:
            texts = answers(expected)
            tolerance = math.inf if texts else INT8_TOLERANCE
            outputs, expected = (answers(outputs), texts) if texts else (outputs, expected)
        if not difference(outputs, expected) < tolerance:
            self.different.append(text)

    @property
    def row(self) -> list[str]:
        return [self.name, str(self.inputs), str(len(self.different)), f"{self.largest:.1e}"]


class Question(NamedTuple):
    """What is checked.

    Attributes:
        formats: the formats, whose files are there.
        folder: the folder of the exported files.
        inputs: a person's inputs.
        faults: why others cannot be used.
    """

    formats: list[str]
    folder: Path
    inputs: list[str]
    faults: list[str]


def read_question(task: Any, formats: Sequence[str] | None, folder: Path, path: Path) -> Question:
    """Read the inputs to check with, without TensorFlow.

    Args:
        task: the task; see its `input_reader`.
        formats: formats to check; None: those in the folder.
        folder: the folder of the exported files.
        path: a file or folder of inputs, as `predict` takes them.

    Raises:
        UserError: there are no inputs, or a format has not been exported.
    """
    if not path.exists():
        raise UserError(f"--check {printable(path)}: no such file or folder")
    return Question(_written(formats, folder), folder, *_usable(task, path))


def check(task: Any, run: RunFolder, question: Question) -> int:
    """Print how the answers of each exported format differ from the original's.

    Returns:
        The exit code: 1 if an answer differs, 3 if an input cannot be used.

    Raises:
        UserError: no input can be used, or an exported file is missing.
    """
    read, faults = task.raw_inputs(run), [*question.faults]
    comparisons, original = _open(run, question.formats, question.folder)
    for item in question.inputs:
        try:
            raw = read(item)
        except (UserError, OSError, ValueError) as error:
            faults.append(str(error) if isinstance(error, UserError) else f"{item}: {error}")
            continue
        expected = original(raw)
        for comparison in comparisons:
            comparison.add(item, raw, expected)
    if not comparisons[0].inputs:
        raise _unusable(faults)
    for fault in faults:
        complain(fault)
    _print(comparisons)
    if any(comparison.different for comparison in comparisons):
        return DIFFERENT
    return BROKEN if faults else 0


def _written(formats: Sequence[str] | None, folder: Path) -> list[str]:
    """Return the formats to check, whose files are there."""
    there = [name for name, place in PLACES.items() if (folder / place).exists()]
    missing = [name for name in formats or () if name not in there]
    if missing or not there:
        what = f"no {', '.join(missing)}" if missing else "nothing"
        raise UserError(f"{printable(folder)}: {what} in it; export first, without --check")
    return check_formats(",".join(formats or there))


def _usable(task: Any, path: Path) -> tuple[list[str], list[str]]:
    """Return the inputs in a file or folder, and why others cannot be used."""
    if not hasattr(task, "input_reader"):
        raise UserError(f"--check: the task {task.name} does not say how its inputs are read")
    argument = str(path.absolute())  # without a folder, a name might be taken for a text
    reader = task.input_reader()._replace(has_flag=False)
    batches = read_inputs([argument], reader, False, 64)
    items: list[Input] = [item for batch in batches for item in batch]
    sound = [item.value for item in items if not item.fault]
    faults = [item.fault for item in items if item.fault]
    if not sound:
        raise _unusable(faults or [f"{printable(path)}: no inputs in it"])
    return sound, faults


def _unusable(faults: Sequence[str]) -> UserError:
    """Return the error that no input can be used, which names the first reason."""
    others = len(faults) - 1
    words = "1 other input" if others == 1 else f"{others:,} other inputs"
    more = f"; nor can {words} be used" if others else ""
    return UserError(f"--check: {faults[0]}{more}")


def _open(run: RunFolder, formats: Sequence[str], folder: Path) -> tuple[list[Comparison], Answer]:
    """Return the comparison of each format, and the function that gives the original's outputs."""
    from ..models.serving import load

    model = load(run.best)
    comparisons = [
        Comparison(name, answer, is_rounded=name.endswith(INT8))
        for format_ in formats
        for name, answer in _readable(format_, folder / PLACES[format_], model)
    ]
    return comparisons, _in_keras(model)


def _best(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs without all texts of a beam search but the best one.

    Rounding decides which of the other texts stay in the beam, where probabilities are close.
    """
    is_search = "answers" in outputs
    return {name: array[:, :1] if is_search else array for name, array in outputs.items()}


def _readable(format_: str, place: Path, model: Any) -> list[tuple[str, Answer]]:
    """Return what `_programs` yields.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        return [*_programs(format_, place, model)]
    except UserError:
        raise
    except Exception as error:  # of each format's own library
        reason = printable(str(error).strip().partition("\n")[0][:200]) or type(error).__name__
        raise UserError(
            f"{printable(place)}: cannot be read, perhaps it is damaged ({reason}); export again"
        ) from None


def _programs(format_: str, place: Path, model: Any) -> Iterator[tuple[str, Answer]]:
    """Yield the names and the functions of what was exported to one format."""
    from ..models.serving import load
    from .export_litert import FORMS, files_of, runs_in
    from .export_onnx import run_onnx
    from .export_saved_model import run_saved_model, saved_model_in
    from .network_parts import answered_by, parts_of

    if format_ == "keras":
        yield format_, _in_keras(load(place))
    elif format_ == "saved_model":
        yield format_, run_saved_model(saved_model_in(place))
    elif format_ == "onnx":
        files = {name: place / f"{name}.onnx" for name in parts_of(model)}
        _require(files.values(), place)
        runs = {name: run_onnx(path) for name, path in files.items()}
        yield format_, _in_keras(answered_by(model, runs))
    else:
        _require(files_of(model, place, "float").values(), place)
        for form in FORMS:
            if all(path.exists() for path in files_of(model, place, form).values()):
                runs = runs_in(model, place, form)
                yield f"{format_} {form}", _in_keras(answered_by(model, runs))


def _require(files: Any, place: Path) -> None:
    """Raise `UserError` if files are missing, or an earlier version has written them."""
    from .export_signature import SIGNATURE

    missing = [path.name for path in (*files, place / SIGNATURE) if not path.exists()]
    if missing:
        raise UserError(
            f"{printable(place)}: {missing[0]} is missing (an earlier version may have written it);"
            " export again"
        )


def _in_keras(model: Any) -> Answer:
    from ..models.serving import traced
    from .export_comparison import arrays_of

    call = traced(model)
    return lambda raw: arrays_of(call(raw))


def _print(comparisons: Sequence[Comparison]) -> None:
    head = ["format", "inputs", "different answers", "largest difference"]
    print_table(head, [comparison.row for comparison in comparisons])
    for comparison in comparisons:
        for text in comparison.different[:SHOWN]:
            say(f"{comparison.name}: another answer for {printable(text[:200])!r}")
        if (more := len(comparison.different) - SHOWN) > 0:
            say(f"{comparison.name}: and for {more} more")
