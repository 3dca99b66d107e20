"""The colours of the tab: of runs as in TensorBoard, of errors and shares as in all figures."""

import functools
from typing import Any, NamedTuple

import numpy as np


class RunColours(NamedTuple):
    """The colour of a run in the light and in the dark theme."""

    light: str
    dark: str


_LIGHT = ("#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a")
_DARK = ("#8e98a3", *_LIGHT[1:])


def run_colours(place: int) -> RunColours:
    """Return the colours that TensorBoard's Time Series tab gives to a run.

    Args:
        place: its index in TensorBoard's list of runs, which is sorted by start time.
    """
    return RunColours(_LIGHT[place % len(_LIGHT)], _DARK[place % len(_DARK)])


@functools.cache
def colour_scales() -> dict[str, Any]:
    """Return the scales of errors and of shares, each as 256 × [red, green, blue]."""
    from matplotlib import colormaps

    from ...callbacks.drawing.gate_maps import OPENNESS
    from ...callbacks.drawing.heat_maps import COLOURS, DECADES, NOT_FINITE

    def scale(name: str) -> list[list[int]]:
        return np.round(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(int).tolist()

    return {
        "errors": scale(COLOURS),
        "shares": scale(OPENNESS),
        "notFinite": NOT_FINITE,
        "decades": DECADES,
    }
