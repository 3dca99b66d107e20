"""Resizing of images, the same for data and serving models."""

import keras


def resizing_layer(height: int, width: int) -> keras.layers.Layer:
    """A layer that scales images of any size to [height, width] and crops the longer side."""
    return keras.layers.Resizing(
        height, width, crop_to_aspect_ratio=True, antialias=True, dtype="float32", name="size"
    )
