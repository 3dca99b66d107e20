"""What is chosen from the data: the size of the images, and their augmentation."""

import numpy as np
import tensorflow as tf

from ..core.console import note
from ..datasets.images import augmentation
from ..datasets.images.image_data import ImageData
from ..models.zoo import MODELS
from .config import DEFAULT, ImagesConfig
from .mirror import LIMIT, mirror_verdict

LARGEST = 96  # pixels of the shorter side of images for the default network
SIZES = 200  # images whose sizes are looked at


def image_size(config: ImagesConfig, data: ImageData) -> tuple[int, int]:
    """Return the size to resize images to: --image-size, else their own if all have the same.

    Images of several sizes get the paper's size; images that are too small get the smallest size
    that the network accepts. The default network takes large images reduced to `LARGEST`.
    """
    height, width, _ = data.shape
    model, size = config.network.model or DEFAULT, config.data.image_size
    entry = MODELS[model]
    if size is not None:
        return size, size
    if model == DEFAULT:
        return _moderate_size(data, entry.min_size)
    if not (height and width) or entry.fixed_size:
        return entry.input_shape[0], entry.input_shape[1]
    if min(height, width) >= entry.min_size:
        return height, width
    least = entry.min_size
    note(f"data: images of {height}×{width} are resized to {least}×{least} for {model}")
    return least, least


def _moderate_size(data: ImageData, least: int) -> tuple[int, int]:
    """Return the images' size, reduced to `LARGEST`; for several sizes a square."""
    height, width, _ = data.shape
    if not (height and width):
        images = data.train.examples.take(SIZES).as_numpy_iterator()
        sides = [min(image.shape[:2]) for image, _ in images]
        height = width = round(float(np.median(sides)))
    scale = min(1.0, LARGEST / min(height, width))
    size = max(least, round(scale * height)), max(least, round(scale * width))
    if data.shape[:2] != size:
        before = f"of {height}×{width}" if data.shape[0] and data.shape[1] else "of several sizes"
        note(f"data: images {before} are resized to {size[0]}×{size[1]} (--image-size)")
    return size


def augmentation_kind(config: ImagesConfig, data: ImageData) -> str:
    """Return the kind of data augmentation to train with, before any image is looked at."""
    if config.data.augment != "auto":
        return config.data.augment
    return augmentation.kind_for(data.shape[-1], config.data.dataset)


def kind_for_folder(config: ImagesConfig, data: ImageData, images: tf.data.Dataset) -> str:
    """Return the kind of augmentation for a person's own images: they are mirrored if they may be.

    Args:
        images: the training images, resized.
    """
    if config.data.augment != "auto" or config.data.data_dir is None:
        return augmentation_kind(config, data)
    is_grey, may_mirror = data.shape[-1] == 1, None
    if len(data.train) <= LIMIT:
        batches = images.batch(64).as_numpy_iterator()
        may_mirror = mirror_verdict((pixels for pixels, _ in batches), data.train.labels)
    unmirrored = "digits" if is_grey else "signs"
    kind = "objects" if may_mirror or (may_mirror is None and not is_grey) else unmirrored
    note(f"data: augmentation as for {kind} (--augment)")
    return kind
