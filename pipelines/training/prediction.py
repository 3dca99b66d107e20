"""The verb `predict` of every task: inputs of many kinds, answers for people and for pipes."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..core.console import complain, is_terminal_input
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..core.run_selection import choose_run
from .answers import Answers, Row, Words
from .explanations import Explanation, Explanations, folder_of, followed_by_explanations
from .inputs import Input, Reader, read_inputs
from .task import RunVerbConfig

FAILED = 3  # exit code if an input was not answered

PIPES = (
    "Without inputs, or for -, lines of stdin are read. A broken input is reported on stderr, and"
    " the others are answered; the exit code is then 3."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictSettings(RunVerbConfig):
    """How predictions are printed."""

    json: bool = False
    """Print one JSON object per line. Blank lines of stdin are answered too if they are texts."""
    csv: bool = False
    """Print CSV with a header. Blank lines of stdin are answered too if they are texts."""

    def check(self) -> None:
        super().check()
        if self.json and self.csv:
            raise UserError("--json and --csv are two formats: give one of them")

    @property
    def format(self) -> str:
        return "json" if self.json else "csv" if self.csv else "words"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainSettings(PredictSettings):
    """How predictions are printed, and whether they are explained."""

    explain: bool = False
    """Draw what each prediction depends on: a picture for each input, whose path is printed."""
    explain_to: Path | None = None
    """Folder for these pictures (default: explanations/ of the run); none is written over."""

    def check(self) -> None:
        super().check()
        if self.explain_to is not None and not self.explain:
            raise UserError("--explain-to is the folder of --explain: give both")


class Predictor(NamedTuple):
    """A loaded network that predicts for a person's inputs.

    Attributes:
        prepare: reads an input, such as an image file; raises `UserError` if it cannot be used.
        answer: inputs and what `prepare` returned for them → one row for each. The first item of a
            row is the input.
        batch: the largest number of inputs at a time.
        explain: what `prepare` returned and the row → what the prediction depends on; None: this
            network cannot be explained.
        raw: what `prepare` returned → the inputs of the serving model for it, [1, …].
    """

    prepare: Callable[[str], Any]
    answer: Callable[[Sequence[str], Sequence[Any]], Iterable[dict[str, Any]]]
    batch: int = 64
    explain: Callable[[Any, Row], Explanation] | None = None
    raw: Callable[[Any], Any] = lambda prepared: prepared

    def rows(self, inputs: Sequence[Any], folder: Path | None = None) -> Iterator[dict[str, Any]]:
        """Yield a row for each input.

        Args:
            inputs: the inputs.
            folder: where the pictures of the explanations go; None: nothing is explained.

        Raises:
            UserError: an input cannot be used.
        """
        texts = [str(value) for value in inputs]
        explanations = None if folder is None else Explanations(folder)
        for start in range(0, len(texts), self.batch):
            part = texts[start : start + self.batch]
            yield from self.answered(part, [self.prepare(text) for text in part], explanations)

    def answered(
        self, inputs: Sequence[str], prepared: Sequence[Any], explanations: Explanations | None
    ) -> Iterator[dict[str, Any]]:
        """Yield a row for each input of a batch, with its explanation if there is a folder."""
        for item, row in zip(prepared, self.answer(inputs, prepared), strict=True):
            if explanations is None or self.explain is None:
                yield row
            else:
                yield explanations.explained(row, self.explain(item, row))


class Predicts(Protocol):
    """The part of a task that the verb needs."""

    @property
    def name(self) -> str: ...
    @property
    def predictor(self) -> Callable[..., Predictor]:
        """(run, **options) → the run's best model, loaded to predict."""
        ...

    def input_reader(self, column: str | None = None) -> Reader:
        """Return how inputs are read from arguments and files.

        Args:
            column: the column of tables, by name or number; None: recognised.
        """
        ...


class Request(NamedTuple):
    """What the flags of a task's `predict` say.

    Attributes:
        arguments: the inputs as given.
        reader: how they are read.
        options: the arguments of `predictor`.
        words: returns the lines for people of a batch of rows.
        top: the number of labels or predictions per row.
        explain: whether predictions are explained.
        explain_to: the folder of the explanations; None: that of the run.
    """

    arguments: Sequence[str]
    reader: Reader
    options: dict[str, Any]
    words: Words
    top: int = 1
    explain: bool = False
    explain_to: Path | None = None

    def explanations(self, run: RunFolder) -> Explanations | None:
        """Make the folder of the explanations, if there are any."""
        folder = folder_of(run, self.explain, self.explain_to)
        return None if folder is None else Explanations(folder)


def predict(task: Predicts, config: PredictSettings, request: Request) -> int:
    """Print the predictions for all inputs; return the exit code."""
    what = "files" if request.reader.is_path else "texts"
    if not request.arguments and is_terminal_input():
        raise UserError(f"errorflow {task.name} predict takes {what}, as arguments or from stdin")
    if not request.reader.is_path and any(not text.strip() for text in request.arguments):
        raise UserError(f"errorflow {task.name} predict takes {what}: one of them is empty")
    run = choose_run(config.run, task.name)
    words = followed_by_explanations(request.words) if request.explain else request.words
    key = "file" if request.reader.is_path else "text"
    answers = Answers(config.format, key, words, request.top)
    predictor, explanations, failed = None, None, False
    is_piped = config.format != "words"
    for batch in read_inputs(request.arguments, request.reader, is_piped, 64):
        sound = [item for item in batch if not _is_broken(item)]
        failed = failed or len(sound) < len(batch)
        if sound and predictor is None:  # the first sound input: TensorFlow takes seconds
            from .verbs import load_for

            explanations = request.explanations(run)
            load_for(run)
            predictor = task.predictor(run, **request.options)
        if sound and predictor is not None:
            failed = not _answer(predictor, sound, answers, explanations) or failed
    return FAILED if failed else 0


def _is_broken(item: Input) -> bool:
    if item.fault:
        complain(item.fault)
    return item.fault != ""


def _answer(
    predictor: Predictor,
    batch: Sequence[Input],
    answers: Answers,
    explanations: Explanations | None,
) -> bool:
    """Write the answers for a batch; return whether there is one for each input."""
    complete = True
    for start in range(0, len(batch), predictor.batch):
        inputs, prepared = [], []
        for item in batch[start : start + predictor.batch]:
            try:
                prepared.append(predictor.prepare(item.value))
                inputs.append(item.value)
            except (UserError, OSError, ValueError) as error:
                complete = False
                is_own = isinstance(error, UserError)
                complain(str(error) if is_own else f"{item.value}: {error}")
        if inputs:
            answers.write([*predictor.answered(inputs, prepared, explanations)])
    return complete


def labels_in_words(rows: Sequence[Row], shown: int = 60) -> Iterator[str]:
    """Yield each input with its labels and their probabilities, the inputs padded."""
    names = [str(next(iter(row.values()))) for row in rows]
    short = [name if len(name) <= shown else name[: shown - 1] + "…" for name in names]
    width = max(map(len, short), default=0)
    for name, row in zip(short, rows, strict=True):
        labels = [f"{label} {p:.3f}" for label, p in row["probabilities"].items()]
        yield "\t".join([f"{name:<{width}}", *labels])


def texts_in_words(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each input with each of its predicted texts and the score."""
    for row in rows:
        for text, score in row["predictions"]:
            yield f"{next(iter(row.values()))}\t{text}\t{score:.3f}"
