"""Resizing of images, the same for data and serving models."""

import keras


def resizing_layer(height: int, width: int) -> keras.layers.Layer:
    """Return a layer that scales images to [height, width] and crops the longer side."""
    return keras.layers.Resizing(
        height,
        width,
        crop_to_aspect_ratio=True,
        antialias=True,
        data_format="channels_last",
        dtype="float32",
        name="size",
    )
