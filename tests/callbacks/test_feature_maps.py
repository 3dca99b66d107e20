"""The feature maps of a convolution as images."""

import keras
import numpy as np
import pytest
from errorflow.callbacks import FeatureMaps
from errorflow.callbacks.feature_maps import mosaic
from event_files import read


def test_a_mosaic_shows_all_maps_with_white_lines_between():
    maps = np.arange(12, dtype="float32").reshape(1, 1, 12).repeat(96, 0).repeat(96, 1)
    picture = mosaic(maps)  # 12 maps of one grey each: 4 across, 3 down
    assert picture.shape == (3 * 97 - 1, 4 * 97 - 1)
    np.testing.assert_array_equal(picture[::97, ::97].ravel(), np.uint8(255 * np.arange(12) / 11))
    assert (picture[96] == 255).all()
    assert (picture[:, 96] == 255).all()


def test_each_epoch_writes_an_image(tmp_path):
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(4, 3, name="eye"), keras.layers.Flatten()]
    )
    model.compile("sgd", "mse", jit_compile=False)
    x, y = np.ones([8, 6, 6, 1], "float32"), np.zeros([8, 64])
    model.fit(x, y, epochs=2, verbose=0, callbacks=[FeatureMaps(x[0], tmp_path)])
    values, metadata = read(tmp_path / "train")
    assert [*values] == [1, 2]
    assert "eye" in metadata["feature_maps"].summary_description


@pytest.mark.parametrize("layer", [None, "hidden"])
def test_a_model_without_feature_maps_raises_an_error(tmp_path, layer):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="hidden")])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"has no output \[B, H, W, C\]"):
        model.fit(
            np.ones([2, 4]),
            np.ones([2, 2]),
            verbose=0,
            callbacks=[FeatureMaps([0], tmp_path, layer)],
        )
