"""Heat maps of the errors of all recurrent layers, for TensorBoard."""

from collections.abc import Mapping

import numpy as np

from ..recording.rows import filled_columns
from .heat_maps import common_scale, heat_map

IMAGE_DESCRIPTION = (
    "The error that arrives at each time step, root mean square over the batch. Each row is one "
    "training step; the error flows from right to left. All layers have the same colour scale. "
    "Time steps that occur in fewer than one in fifty batches are left out."
)


def error_images(history: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return one image [height, width, 3] uint8 for each entry, with a common colour scale.

    Args:
        history: see `ErrorFlow.history`.
    """
    history = {name: tables for name, tables in history.items() if len(tables["step"])}
    cuts = {name: filled_columns(tables["hidden_from_end"]) for name, tables in history.items()}
    shown = {name: history[name]["hidden_from_end"][:, cut] for name, cut in cuts.items()}
    scale = common_scale([*shown.values()])
    images = {}
    for name, table in shown.items():
        border = history[name].get("border")
        if border is None:
            columns = [str(n) for n in range(table.shape[-1])][::-1]
            axis = "time steps before the last"
        else:
            border = int(border) - (cuts[name].start or 0)
            columns = [str(n) for n in range(1 - border, 1 - border + table.shape[-1])]
            axis = "time step: first layer up to 0, second layer from 1"
        titles = (axis, "rms of dE/dh")
        steps = history[name]["step"]
        images[name] = heat_map(table, steps, columns, scale, titles, border)
    return images
