"""What the label of a clip depends on: dy/dx of each pixel of each frame, and Grad-CAM."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from ...callbacks.drawing.explanations import heat, image_sheet, overlaid, png
from ...layers import saliency
from ..models.serving import labels_in
from ..training.explained_images import grad_cam_if_any
from ..training.explanations import Explanation
from ..training.network_parts import core_in

FRAMES = 40  # in a picture
SIDE = 106  # pixels of a frame, three of which are one image of the sheet


def explain(model: keras.Model, clip: np.ndarray, row: Mapping[str, Any]) -> Explanation:
    """Draw what the score of the clip's predicted label depends on, frame by frame.

    Args:
        model: a serving model.
        clip: uint8 [F, H, W, C].
        row: the prediction for it.

    Returns:
        A picture, and "importance", ‖dy/dx‖ over all pixels of each frame.
    """
    network, x = core_in(model), clip[None].astype(np.float32)
    target = labels_in(model).index(row["label"])

    def score(outputs: Any) -> Any:
        return outputs["clip"][:, target]

    found, evidence = saliency(network, x, score), grad_cam_if_any(network, x, score)
    importance = np.sqrt((found.gradient[0] ** 2).sum(axis=(1, 2, 3)))  # [F]
    maps = [found.values[0]] + ([] if evidence is None else [evidence.values])
    block = _frames(clip, maps, importance)
    path = Path(row["video"]).absolute()
    title = f"{path.name}: {row['label']} {row['probability']:.3f}"
    note = (
        f"y: the score of {row['label']}; numbers: ‖dy/dx‖ of each frame, relative to the largest;"
        " below each frame: max |dy/dx| of its pixels"
    )
    if evidence is not None:
        note += f"; Grad-CAM of {evidence.layer}"
    if len(block) < len(clip):
        note += f"; {len(block)} of {len(clip)} frames"
    picture = png(image_sheet(title, [block], note))
    return Explanation(path.stem, picture, {"importance": importance.tolist()})


def _frames(
    clip: np.ndarray, maps: Sequence[np.ndarray], importance: np.ndarray
) -> list[tuple[np.ndarray, str]]:
    """Return each frame above its maps, with its importance; colours are the same in all frames.

    Args:
        clip: uint8 [F, H, W, C].
        maps: max |dy/dx| [F, H, W] and, if there is one, Grad-CAM [F, h, w].
        importance: [F].
    """
    largest = [values.max() or 1 for values in maps]
    chosen = np.unique(np.linspace(0, len(clip) - 1, min(len(clip), FRAMES)).astype(int))
    block = []
    for frame in chosen:
        image = clip[frame]
        parts = [image, heat(maps[0][frame], largest[0])]
        if len(maps) > 1:
            parts.append(overlaid(image, maps[1][frame], largest[1]))
        stack = np.concatenate([_framed(part) for part in parts])
        relative = importance[frame] / (importance.max() or 1)
        block.append((stack, f"frame {frame + 1}: {relative:.2f}"))
    return block


def _framed(image: np.ndarray) -> np.ndarray:
    """[H, W, 1 or 3] → uint8 [SIDE, SIDE, 3], with a white line below it"""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    resized = np.array(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST))
    resized[-2:] = 255
    return resized
