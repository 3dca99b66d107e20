"""Saliency: how much the score of a class changes with each part of the input."""

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from .results import AnalysisResult, number
from .scores import Pass, Target, at_least_float32, run

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

EMBEDDING = keras.layers.Embedding
OF_SYMBOLS = {1: ("step",), 2: ("step", "symbol")}  # axes after that of the examples
OF_NUMBERS = {
    1: ("feature",),
    2: ("step", "feature"),
    3: ("row", "column"),
    4: ("frame", "row", "column"),
}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Saliency(AnalysisResult):
    """dy/dx of a batch of B examples; a notebook shows it as a sentence and a figure.

    Attributes:
        values: the size of dy/dx at each position, ≥ 0. For pixels [B, (F,) H, W, C], the largest
            absolute value of the C channels (Simonyan et al.), [B, (F,) H, W]. For the vectors of
            symbols [B, T, D], the norm over D, [B, T]. For a series [B, T, D] or features [B, D],
            the absolute value, in the same shape.
        axes: the names of the axes of `values`, without that of the examples.
        gradient: dy/dx, in the shape of the input or of the vectors of its symbols.
        scores: y, [B].
        classes: the index of the explained class, [B]; None if a function computed y.
        x: the input as the model took it; the vectors of its symbols.
        layer: the name of the input, or the path of the `Embedding`.
    """

    values: np.ndarray
    axes: tuple[str, ...]
    gradient: np.ndarray
    scores: np.ndarray
    classes: np.ndarray | None
    x: np.ndarray
    layer: str = ""

    def plot(self) -> "ResultFigure":
        """Return the values as maps beside the images; of steps or features, as curves or a map."""
        from . import map_pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        titles = titles_of(self.scores, self.classes)
        if "row" in self.axes:
            images, maps = map_pictures.single_images(self.x, self.values, titles)
            return map_pictures.beside(images, maps, "max |dy/dx| over channels")
        return map_pictures.over_steps(self.values, self.axes, self.layer, titles, "|dy/dx|")

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each example and position.

        example               int    from 1
        step, feature,        int    the position, from 1, as far as the input has these axes
        frame, row, column
        gradient              float  `values`
        """
        return table(self.values, self.axes, "gradient")

    def _text(self) -> str:
        sums = self.values.reshape(len(self.values), -1)
        if not np.isfinite(sums).all():
            return "dy/dx is not a finite number at every position"
        halves = [_positions_of_half(row) for row in sums if row.any()]
        silent = len(sums) - len(halves)
        if not halves:
            return "dy/dx is 0 at every position: the score does not depend on this input"
        count = sums.shape[1]
        if len(sums) == 1:
            place = np.unravel_index(int(sums[0].argmax()), self.values.shape[1:])
            where = ", ".join(f"{axis} {i + 1:,}" for axis, i in zip(self.axes, place, strict=True))
            return (
                f"|dy/dx|{of_class(self.classes)} is largest at {where} ({number(sums[0].max())});"
                f" half of its sum is at {halves[0]:,} of {count:,} positions"
            )
        text = (
            f"half of the sum of |dy/dx| is at {number(float(np.mean(halves)) / count)} of the"
            f" positions, on average over {len(halves):,} examples"
        )
        return text + (f"; in {silent:,} it is 0 everywhere" if silent else "")


def saliency(
    model: keras.Model, x: Any, target: Target = None, input: str | None = None
) -> Saliency:
    """Return the gradient of a score with respect to each part of the input.

        dy/dx,  where y = z_c, the score of the class c

    z_c is the output of the model before Keras' softmax or sigmoid, the "unnormalised score" of
    K. Simonyan, A. Vedaldi & A. Zisserman, Deep Inside Convolutional Networks (2014), section 3.
    (A probability could also rise because those of other classes fall.) An output without one of
    these activations is taken as it is. With E = −y, this is −dE/dx.

    It says how much a small change of x would change y, and not what x contributes to y. Inputs
    that are indices, such as characters or words, cannot change a little: for them, x is the vector
    that an `Embedding` returns. The examples of the batch are independent of each other.

    It takes a forward and a backward pass at `training=False`, without XLA. No weight changes.
    Afterwards, the `error` of recurrent layers is that of y, summed over the batch.

    Args:
        model: a Keras model.
        x: a batch of B examples.
        target: the index of the class c, or B of them; None: for each example the class with the
            largest score. Or a function of the model's outputs, with scores in place of
            probabilities, that returns y, [B]; for models with several outputs, or an output at
            every step.
        input: the name of the input, or the path of the `Embedding`; None: the only one.

    Returns:
        The gradient and its size at each position, with a figure and a sentence.

    Raises:
        ValueError: there is no such input or class, or there are several inputs and none is chosen;
            the outputs are not one score for each class, [B, K], and `target` is no function.
        TypeError: `target` is not an index.
    """
    result = run(model, x, target, "saliency", lambda layer: isinstance(layer, EMBEDDING))
    return _of_input(result, input)


def saliencies(model: keras.Model, x: Any, target: Target = None) -> dict[str, Saliency]:
    """Return `saliency` for every input, and every `Embedding` that is called once, by name."""
    result = run(model, x, target, "saliency", lambda layer: isinstance(layer, EMBEDDING))
    return {name: _of_input(result, name) for name in dict.fromkeys(_places(result))}


def _places(result: Pass) -> list[str]:
    return [*result.inputs, *(output.path for output in result.outputs)]


def _of_input(result: Pass, chosen: str | None) -> Saliency:
    places = _places(result)
    known = ", ".join(dict.fromkeys(places)) or "none"
    if chosen is None and len(places) != 1:
        raise ValueError(
            f"saliency: choose one `input` of this model: {known}"
            if places
            else "saliency: the model has no input of numbers, and no Embedding was called"
        )
    name = places[0] if chosen is None else chosen
    if places.count(name) != 1:
        raise ValueError(f"saliency: {_fault(name, places)}; there are: {known}")
    is_symbols = name not in result.inputs
    place = result.inputs.get(name)
    if place is None:
        place = next(output.value for output in result.outputs if output.path == name)
    gradient = result.gradient(place)
    kinds = OF_SYMBOLS if is_symbols else OF_NUMBERS
    return Saliency(
        _sizes(gradient, is_symbols),
        kinds[len(place.shape) - (1 + is_symbols)],
        gradient,
        at_least_float32(result.score),
        result.classes,
        at_least_float32(place),
        name,
    )


def _fault(name, places):
    count = places.count(name)
    return f"{name!r} is called {count} times, not once" if count else f"no input {name!r}"


def _sizes(gradient, is_symbols):
    if is_symbols:
        return np.sqrt((gradient**2).sum(axis=-1))
    return np.abs(gradient).max(axis=-1) if gradient.ndim > 3 else np.abs(gradient)


def _positions_of_half(values):
    """The smallest number of positions whose values are half of the sum, or more."""
    sums = np.cumsum(np.sort(values.astype(np.float64))[::-1])
    return int(np.searchsorted(sums, sums[-1] / 2)) + 1


def of_class(classes: np.ndarray | None) -> str:
    """Return " of class 3" for the only example of a batch; "" if there is no class."""
    return "" if classes is None else f" of class {classes[0]}"


def titles_of(scores: np.ndarray, classes: np.ndarray | None) -> list[str]:
    """Return a title for each example: its class and score."""
    if classes is None:
        return [f"y = {number(score)}" for score in scores]
    return [f"class {c}, y = {number(score)}" for c, score in zip(classes, scores, strict=True)]


def table(values: np.ndarray, axes: tuple[str, ...], name: str) -> "pd.DataFrame":
    """Return values [B, …] as one row for each example and position, counted from 1."""
    import pandas as pd  # noqa: PLC0415 — takes half a second

    places = np.indices(values.shape).reshape(values.ndim, -1) + 1
    columns = dict(zip(("example", *axes), places, strict=True))
    return pd.DataFrame({**columns, name: values.ravel()})
