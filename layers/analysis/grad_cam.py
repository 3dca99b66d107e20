"""Grad-CAM: where in a layer's feature maps the evidence for a class is."""

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..convolutional.conv_unit import ConvUnit1D, ConvUnit2D
from ..convolutional.inception import InceptionBlock
from ..convolutional.lenet import PartialConvolution
from ..convolutional.local_response_normalization import LocalResponseNormalization
from ..convolutional.residual import BottleneckBlock, ResidualBlock
from .results import AnalysisResult, number
from .saliency import of_class, table, titles_of
from .scores import Output, Pass, Target, at_least_float32, run

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

CONVOLUTIONS = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D),
    *(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D),
    *(keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose),
    PartialConvolution,
)
AXES = {1: ("step",), 2: ("row", "column"), 3: ("frame", "row", "column")}  # of positions
# What may follow the last convolution and still has its positions.
FOLLOWING = (
    *(ConvUnit1D, ConvUnit2D, ResidualBlock, BottleneckBlock, InceptionBlock),
    *(keras.layers.BatchNormalization, keras.layers.GroupNormalization),
    *(keras.layers.LayerNormalization, LocalResponseNormalization),
    *(keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU),
    *(keras.layers.PReLU, keras.layers.Add, keras.layers.Concatenate, keras.layers.Multiply),
)


class NoConvolution(ValueError):
    """A model has no convolution with more than one position."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GradCam(AnalysisResult):
    """Grad-CAM of a batch of B examples; a notebook shows it as a sentence and a figure.

    Attributes:
        values: the map of each example, ≥ 0, [B, h, w]; [B, T] of `Conv1D`, [B, F, h, w] of
            `Conv3D`. If the layer runs on each of F frames, [B·F, h, w].
        signed: the same before the ReLU; below 0 where the maps speak against the class.
        weights: α, [B, K].
        scores: y, [B].
        classes: the index of the explained class, [B]; None if a function computed y.
        x: the images [B, H, W, C] for the figure; None if the input is something else.
        layer: the path of the layer.
    """

    values: np.ndarray
    signed: np.ndarray
    weights: np.ndarray
    scores: np.ndarray
    classes: np.ndarray | None
    x: np.ndarray | None
    layer: str = ""

    def plot(self) -> "ResultFigure":
        """Return the maps, enlarged smoothly, on the images; maps over steps as curves."""
        from . import map_pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        titles = titles_of(self.scores, self.classes)
        if self.values.ndim == 2:
            return map_pictures.over_steps(self.values, ("step",), self.layer, titles, "Grad-CAM")
        images, maps = map_pictures.single_images(self.x, self.values, titles)
        return map_pictures.on_top(images, maps, "Grad-CAM")

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each example and position of the layer's feature maps.

        example                  int    from 1
        step, frame, row, column int    the position, from 1, as far as the maps have these axes
        grad_cam                 float  `values`
        """
        return table(self.values, AXES[self.values.ndim - 1], "grad_cam")

    def _text(self) -> str:
        sums = self.values.reshape(len(self.values), -1)
        if not np.isfinite(sums).all():
            return "Grad-CAM is not a finite number at every position"
        if not sums.any():
            return "Grad-CAM is 0 at every position"
        if len(sums) > 1:
            share = number(float((sums > 0).mean()))
            return f"{share} of the positions are above 0, on average over {len(sums):,} maps"
        place = np.unravel_index(int(sums[0].argmax()), self.values.shape[1:])
        axes = AXES[self.values.ndim - 1]
        where = ", ".join(f"{axis} {i + 1:,}" for axis, i in zip(axes, place, strict=True))
        size = " × ".join(map(str, self.values.shape[1:]))
        return (
            f"Grad-CAM{of_class(self.classes)} is largest at {where} ({number(sums[0].max())}) of"
            f" {size}; {(sums > 0).sum():,} of {sums.size:,} positions are above 0"
        )


def grad_cam(
    model: keras.Model, x: Any, layer: str | None = None, target: Target = None
) -> GradCam:
    """Return at which positions of a layer's feature maps the evidence for a class is.

        α_k = 1/Z Σ_ij dy/dA_ij^k          L_ij = ReLU( Σ_k α_k A_ij^k )

    A^k is the k-th feature map, Z the number of its positions, and y the score of a class, as in
    `saliency`: Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, Grad-CAM (2017), equations 1 and
    2. L has the positions of the layer; the figure enlarges it to the image.

    It takes a forward and a backward pass at `training=False`, without XLA.

    Args:
        model: a Keras model: functional, sequential or subclassed, also with models inside it.
        x: a batch of B examples.
        layer: the path or name of a layer that returns feature maps [B, positions …, K], also a
            block such as `ResidualBlock`, or a convolution in it. None: the last convolution with
            more than one position, or the last layer that normalises, activates, adds or
            concatenates its output at the same size, before any pooling.
        target: see `saliency`.

    Returns:
        The maps and the weights α, with a figure and a sentence.

    Raises:
        ValueError: there is no such layer, its outputs are no feature maps, or it is called more
            than once; the model has no convolution and `layer` is None. Also as `saliency`.
        TypeError: as `saliency`.
    """
    result = run(model, x, target, "grad_cam", lambda layer: True)
    output = _last_convolution(result) if layer is None else _named(result, layer)
    if output is None:
        raise NoConvolution(
            "grad_cam: the model has no convolution with more than one position; choose a"
            f" `layer`: {_known(result)}"
        )
    maps, gradient = at_least_float32(output.value), result.gradient(output.value)
    weights = gradient.mean(axis=tuple(range(1, gradient.ndim - 1)))  # [B, K]
    signed = np.einsum("b...k,bk->b...", maps, weights)
    return GradCam(
        np.maximum(signed, 0),
        signed,
        weights,
        at_least_float32(result.score),
        result.classes,
        _images(result),
        output.path,
    )


def _images(result: Pass):
    images = [x for x in result.inputs.values() if len(x.shape) == 4 and x.shape[-1] in (1, 3)]
    return at_least_float32(images[0]) if len(images) == 1 else None


def _feature_maps(result: Pass) -> list[Output]:
    return [output for output in result.outputs if len(output.value.shape) > 2]


def _known(result: Pass) -> str:
    return ", ".join(dict.fromkeys(output.path for output in _feature_maps(result))) or "none"


def _named(result: Pass, name: str) -> Output:
    found = [o for o in result.outputs if name in (o.path, o.path.rpartition("/")[2])]
    exact = [output for output in found if output.path == name] or found
    if not exact:
        raise ValueError(f"grad_cam: no layer {name!r}; there are: {_known(result)}")
    if len({output.path for output in exact}) > 1:
        paths = ", ".join(dict.fromkeys(output.path for output in exact))
        raise ValueError(f"grad_cam: several layers have the name {name!r}: {paths}")
    if len(exact) > 1:
        raise ValueError(f"grad_cam: layer {name!r} is called {len(exact)} times, not once")
    if len(exact[0].value.shape) < 3:
        raise ValueError(
            f"grad_cam: layer {name!r} returns no feature maps [B, positions …, K]; layers that do"
            f" are: {_known(result)}"
        )
    return exact[0]


def _last_convolution(result: Pass) -> Output | None:
    places = [n for n, output in enumerate(result.outputs) if _is_convolution(output)]
    if not places:
        return None
    chosen = result.outputs[places[-1]]
    sizes = chosen.value.shape[1:-1]
    for output in result.outputs[places[-1] + 1 :]:
        follows = isinstance(output.layer, FOLLOWING)
        if isinstance(output.layer, keras.Model):
            continue  # what it returns is the output of a layer in it
        if output.value.shape[1:-1] != sizes or (len(sizes) == 1 and not follows):
            break  # of a sequence, what follows may be a recurrent layer
        chosen = output if follows else chosen
    return chosen


def _is_convolution(output: Output) -> bool:
    positions = output.value.shape[1:-1]
    return isinstance(output.layer, CONVOLUTIONS) and int(np.prod(positions)) > 1
