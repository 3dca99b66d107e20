"""Figures of maps on images, and of values over time steps, for `saliency` and `grad_cam`."""

from collections.abc import Sequence

import numpy as np

from . import pictures
from .pictures import ResultFigure

SHOWN = 6  # examples in a figure, at most
COLOURS = "inferno"


def single_images(
    images: np.ndarray | None, maps: np.ndarray, titles: Sequence[str]
) -> tuple[list[np.ndarray | None], list[tuple[str, np.ndarray]]]:
    """Return the first images and titled maps, one by one, of clips those of each frame.

    Args:
        images: [B, (F,) H, W, C]; None if there are none.
        maps: [B, (F,) h, w].
        titles: of the B examples.
    """
    flat = maps.reshape(-1, *maps.shape[-2:])
    each = len(flat) // len(titles)
    names = [
        title if each == 1 else f"{title}, frame {frame + 1}"
        for title in titles
        for frame in range(each)
    ]
    shown = None if images is None else images.reshape(-1, *images.shape[-3:])
    if shown is None or len(shown) != len(flat):
        return [None] * len(flat[:SHOWN]), [*zip(names, flat[:SHOWN], strict=False)]
    return [*shown[:SHOWN]], [*zip(names, flat[:SHOWN], strict=False)]


def beside(
    images: Sequence[np.ndarray | None], maps: Sequence[tuple[str, np.ndarray]], label: str
) -> ResultFigure:
    """Return images in the upper row, and their maps below them."""
    figure, axes = _panels(2, len(maps))
    for (upper, lower), image, (title, values) in zip(axes.T, images, maps, strict=True):
        _draw_image(upper, image)
        upper.set_title(title, fontsize="small")
        shown = lower.imshow(values, cmap=COLOURS, vmin=0, vmax=_largest(values))
        figure.colorbar(shown, ax=lower, shrink=0.8)
    axes[1, 0].set_ylabel(label, fontsize="small")
    return figure


def on_top(
    images: Sequence[np.ndarray | None], maps: Sequence[tuple[str, np.ndarray]], label: str
) -> ResultFigure:
    """Return images in grey, with their maps, enlarged smoothly, over them."""
    figure, axes = _panels(1, len(maps))
    for panel, image, (title, values) in zip(axes[0], images, maps, strict=True):
        _draw_on_top(panel, image, values)
        panel.set_title(title, fontsize="small")
    axes[0, 0].set_ylabel(label, fontsize="small")
    return figure


def _draw_on_top(axes, image, values):
    """Draw a map [h, w] over an image [H, W, C] in grey."""
    height, width = values.shape if image is None else image.shape[:2]
    if image is not None:
        axes.imshow(_scaled(image).mean(axis=-1), cmap="gray", vmin=0, vmax=1)
    axes.imshow(
        values,
        cmap=COLOURS,
        vmin=0,
        vmax=_largest(values),
        alpha=1.0 if image is None else 0.6,
        interpolation="bilinear",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )


def over_steps(
    values: np.ndarray, axes: tuple[str, ...], name: str, titles: Sequence[str], label: str
) -> ResultFigure:
    """Return values as a figure: [B, N] as a map, or a curve if B is 1; [B, T, N] of example 1.

    Args:
        values: of B examples.
        axes: the names of their other axes.
        name: of the input or layer.
        titles: of the B examples.
        label: what the values are.
    """
    if values.ndim == 3:
        return pictures.matrix(values[0].T, f"{name}: {titles[0]}", axes[0], axes[1], label)
    if len(values) == 1:
        return pictures.curves({name: {titles[0]: values[0]}}, axes[0], label)
    return pictures.matrix(values, name, axes[0], "example", label)


def _panels(rows, columns):
    figure = ResultFigure(
        figsize=(2.4 * columns + 0.6, 2.4 * rows + 0.3), layout="constrained", dpi=120
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    return figure, axes


def _draw_image(axes, image):
    if image is None:
        return
    shown = _scaled(image)
    axes.imshow(shown[..., 0] if shown.shape[-1] != 3 else shown, cmap="gray", vmin=0, vmax=1)


def _scaled(image):
    """Pixels of any range, from 0 to 1."""
    low, high = np.nanmin(image), np.nanmax(image)
    return np.nan_to_num((image - low) / (high - low) if high > low else np.zeros_like(image))


def _largest(values):
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0
