"""What the label of an image depends on: dy/dx of each pixel, and Grad-CAM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...callbacks.drawing.explanations import image_sheet, png
from ...layers import saliency
from ..models.image_serving import network_inputs, resized
from ..models.serving import labels_in
from ..training.explained_images import grad_cam_if_any, panels
from ..training.explanations import Explanation
from ..training.network_parts import core_in


def explain(model: keras.Model, image: np.ndarray, row: Mapping[str, Any]) -> Explanation:
    """Draw what the score of the predicted label depends on.

    x is the input of the network, of its own size: (pixels / 255 − mean) / std.

    Args:
        model: a serving model.
        image: [H, W, C].
        row: the prediction for it.
    """
    network, pixels = core_in(model), image[None].astype(np.float32)
    x, target = network_inputs(model, pixels), labels_in(model).index(row["label"])
    found, evidence = saliency(network, x, target), grad_cam_if_any(network, x, target)
    shown = np.clip(np.round(resized(model, pixels)[0]), 0, 255).astype(np.uint8)
    height, width = shown.shape[:2]
    maps, layer = (None, "") if evidence is None else (evidence.values[0], evidence.layer)
    block = panels(shown, found.values[0], maps, layer, f"network input, {height} × {width}")
    path = Path(row["file"])
    title = f"{path.name}: {row['label']} {row['probability']:.3f}"
    note = f"y: the score of {row['label']}; x: the pixels as the network reads them"
    return Explanation(path.stem, png(image_sheet(title, [block], note)))
