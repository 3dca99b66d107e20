"""The formats of `export`, and what is exported to them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import UserError
from ..core.requirements import EXTRAS, require_packages

TOLERANCE = 1e-4  # maximum difference of outputs; of those above 1, relative to the largest one
PLACES = {  # of each format, in the folder of the exported files
    "keras": "model.keras",
    "saved_model": "saved_model",
    "onnx": "onnx",
    "litert": "litert",
}
DEFAULT = ("keras", "saved_model")
CALIBRATION = 200  # examples of the validation split on which LiteRT files are quantised
Row = dict[str, Any]
Step = Mapping[str, Any]  # of signature.json; see `export_steps`


def check_formats(formats: str) -> list[str]:
    """Parse "keras,onnx"; raise `UserError` if a format is unknown or a package is missing."""
    names = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in PLACES]
    if unknown or not names:
        got = ", ".join(unknown) or "nothing"
        raise UserError(f"--format takes {', '.join(PLACES)} separated by commas, got {got}")
    for name in names:
        if name in EXTRAS:
            require_packages(f"--format {name}", EXTRAS[name])
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def for_int8() -> Iterator[None]:
    """If the data of the run cannot be read in the block, say what exports without them."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}; --no-int8 exports to LiteRT without the data") from None


class Steps(NamedTuple):
    """The steps around a network.

    Attributes:
        outside: from a person's input to the serving model's, which are in no exported file.
        before: from the serving model's input to the network's.
        after: from the network's outputs to the serving model's.
    """

    outside: tuple[Step, ...] = ()
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()


class ExportInputs(NamedTuple):
    """A batch of examples on which the outputs of two models are compared.

    Attributes:
        inputs: inputs of the serving model.
        meaning: the tables that users of the core alone need: symbols, labels, scales.
        meaning_file: the name of the file with `meaning`, next to the ONNX or LiteRT file.
        steps: the steps around the core, which name these tables.
    """

    inputs: Any
    meaning: dict[str, Any]
    meaning_file: str
    steps: Steps = Steps()

    def after(self, steps: Sequence[Step]) -> "ExportInputs":
        """Return the same with further steps, before all others."""
        return self._replace(steps=self.steps._replace(outside=(*steps, *self.steps.outside)))


class RunExamples(NamedTuple):
    """What LiteRT needs the data of a run for.

    Attributes:
        read: lets a serving model predict for examples of the validation split.
        measure: returns the figures of a serving model on examples of the test split.
        measured: the number of these examples.
    """

    read: Callable[[Any], Any]
    measure: Callable[[Any], dict[str, float]]
    measured: int


class Job(NamedTuple):
    """What is exported.

    Attributes:
        model: the serving model.
        inputs: examples on which the exported model is compared with it.
        task, name: those of the run.
        examples: the run's own examples; None: nothing is written in int8.
    """

    model: Any
    inputs: ExportInputs
    task: str
    name: str
    examples: RunExamples | None = None


class Written(NamedTuple):
    """What a format has written.

    Attributes:
        difference: the largest difference between its outputs and those of the original.
        inside: the place of the model in the folder of the format.
        quality: the figures of the original and of each form of the network, as rows.
        left_out: what could not be written, and why; "": nothing.
    """

    difference: float
    inside: str = "."
    quality: Sequence[Row] = ()
    left_out: str = ""


class Exported(NamedTuple):
    """A model that was written in another format; the other attributes are those of `Written`."""

    format: str
    path: Path
    difference: float
    quality: Sequence[Row] = ()
    left_out: str = ""
