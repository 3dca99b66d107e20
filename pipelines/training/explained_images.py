"""Parts of the explanations of all tasks on images."""

from typing import Any

import keras
import numpy as np

from ...callbacks.drawing.explanations import heat, overlaid
from ...layers import grad_cam
from ...layers.analysis.grad_cam import GradCam, NoConvolution
from ...layers.analysis.scores import Target


def grad_cam_if_any(network: keras.Model, x: Any, target: Target) -> GradCam | None:
    """Return Grad-CAM on the last convolution; None for a network without convolutions."""
    try:
        return grad_cam(network, x, target=target)
    except NoConvolution:
        return None


def panels(
    image: np.ndarray, sizes: np.ndarray, evidence: np.ndarray | None, layer: str, what: str
) -> list[tuple[np.ndarray, str]]:
    """Return an image, the map of its gradient and, if there is one, its Grad-CAM, with captions.

    Args:
        image: uint8 [H, W, C], as the network takes it.
        sizes: max |dy/dx| over the channels, [H, W].
        evidence: Grad-CAM [h, w].
        layer: the layer of Grad-CAM.
        what: the caption of the image.
    """
    shown = [(image, what), (heat(sizes), f"max |dy/dx|, largest {sizes.max():.2g}")]
    if evidence is not None:
        height, width = evidence.shape
        shown.append((overlaid(image, evidence), f"Grad-CAM of {layer}, {height} × {width}"))
    return shown
