"""Heat maps over the depth of a network, for TensorBoard."""

from collections.abc import Sequence

import numpy as np

from .heat_maps import common_scale, heat_map


def depth_image(
    table: np.ndarray, steps: np.ndarray, layers: Sequence[str], title: str, about: str
) -> tuple[str, np.ndarray, str]:
    """Return the one image of a callback over depth: (name, [height, width, 3] uint8, description).

    Args:
        table: a figure of each training step and layer, [N, L].
        steps: the training steps, [N].
        layers: the names of the layers, L, from input to loss. The columns have their numbers, and
            the description lists them.
        title: what the figure is.
        about: the beginning of the description, in a sentence.
    """
    numbers = [str(number) for number in range(1, len(layers) + 1)]
    titles = ("layer, from input to loss", title)
    image = heat_map(table, steps, numbers, common_scale([table]), titles)
    names = " · ".join(f"{number} {name}" for number, name in zip(numbers, layers, strict=True))
    return "", image, f"{about} Each row is one training step. The layers: {names}"
