"""The best model of a run, which answers for the series of a file."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..core.errors import UserError
from ..core.run_config import run_config
from ..core.run_folder import RunFolder
from ..models.series_serving import (
    columns_of,
    is_forecast,
    reads_shorter,
    step_of,
    targets_of,
)
from ..models.serving import labels_in, load, traced
from .config import SeriesConfig, SeriesSettings
from .series_input import FoundSeries, InputReader, InputSeries

BATCH = 256  # series at a time


@dataclasses.dataclass(frozen=True)
class Forecaster:
    """The best model of a run, and how files are read for it.

    Attributes:
        model: the serving model.
        settings: the settings of the data that it was trained on.
    """

    model: keras.Model
    settings: SeriesSettings

    @classmethod
    def of_run(cls, run: RunFolder) -> "Forecaster":
        """Load the best model of a run."""
        config = run_config(SeriesConfig, run).resolved()
        return cls(load(run.best), config.data)

    @functools.cached_property
    def _reader(self) -> InputReader:
        return InputReader(
            settings=self.settings,
            columns=columns_of(self.model),
            targets=len(targets_of(self.model)) if self._is_forecast else 0,
            steps=self.model.input_shape[1],
            future=self.model.output["value"].shape[1] if self._is_forecast else 0,
            step=step_of(self.model),
            reads_shorter=reads_shorter(self.model),
        )

    def read(self, path: Path) -> FoundSeries:
        """Return the series of a file, and why others of it cannot be used.

        Raises:
            UserError: none of them can be used.
        """
        return self._reader.read(path)

    @property
    def _is_forecast(self) -> bool:
        """Whether values follow the series: the targets are among the columns that are read."""
        return is_forecast(self.model)

    @property
    def _every_step(self) -> bool:
        """Whether there is an answer for each step that is read."""
        shapes = {key: len(output.shape) for key, output in self.model.output.items()}
        if "label" in shapes:
            return shapes["label"] == 2
        return shapes["value"] == 3 and not self._is_forecast

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield a row for each series of a file.

        Raises:
            UserError: the file, or one of its series, cannot be used.
        """
        yield from self.answers(name, self._all_of(name))

    def answers(self, name: str, series: Sequence[InputSeries]) -> Iterator[dict[str, Any]]:
        """Yield a row for each of the series of a file."""
        for start in range(0, len(series), BATCH):
            part = series[start : start + BATCH]
            x = np.stack([one.x for one in part]).astype(np.float32)
            outputs = {key: y.numpy() for key, y in traced(self.model)(x).items()}
            for number, one in enumerate(part):
                own = {key: y[number] for key, y in outputs.items()}
                named = {"series": one.name} if one.name else {}
                yield {"file": name, **named, **self._answer(own, one)}

    def inputs(self, name: str) -> np.ndarray:
        """Return the series of a file as the serving model reads them, [N, P, D].

        Raises:
            UserError: the file, or one of its series, cannot be used.
        """
        return np.stack([one.x for one in self._all_of(name)]).astype(np.float32)

    def _all_of(self, name: str) -> list[InputSeries]:
        """Return the series of a file, of which each can be used."""
        found = self.read(Path(name).expanduser())
        if found.faults:
            raise UserError(found.faults[0])
        return found.series

    def _answer(self, outputs: dict[str, np.ndarray], series: InputSeries) -> dict[str, Any]:
        """Return the answer for one series, by name; none for steps after its end."""
        if self._every_step:
            outputs = {key: y[: series.length] for key, y in outputs.items()}
        if "label" in outputs:
            return _class(outputs, labels_in(self.model))
        targets = targets_of(self.model)
        values = {
            key: {target: outputs[key][..., n].tolist() for n, target in enumerate(targets)}
            for key in ("value", "low", "high")
        }
        return {"time": series.times, **values} if self._is_forecast else values


def _class(outputs: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return the class of a series with the probabilities of all; or the class of each step."""
    probabilities = outputs["probabilities"]
    if probabilities.ndim == 2:
        return {"labels": [label.decode() for label in outputs["label"].tolist()]}
    order = np.argsort(-probabilities, kind="stable")
    ranked = {labels[n]: float(probabilities[n]) for n in order}
    return {"label": outputs["label"].decode(), "probabilities": ranked}
