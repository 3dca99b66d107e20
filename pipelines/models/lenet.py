"""LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998, "Gradient-Based Learning Applied to Document
Recognition"): as printed, and in its common modern form.

`errorflow images train` trains on 3,600 digits and classifies 98.5 % of the 1,000 test digits
correctly (mean of three seeds, 98.1 to 99.0) after 143 s on two cores, with a second network in
training at the same time (`python benchmarks/seeds.py images --models lenet5`).
"""

from typing import Any

import keras
import numpy as np

from ...layers import ConvUnit2D, PartialConvolution, RadialBasis, ScaledTanh, Subsampling
from .heads import check_head, head_layer, hidden_layer, scaled_channels

# Table I of the paper: the maps of S2 that each of the 16 maps of C3 is connected to.
CONNECTIONS = (
    *([i % 6, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *([i % 6, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)),
    *([i % 6, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6] for i in range(3)),
    list(range(6)),
)


def lenet(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    **options: Any,
) -> keras.Model:
    """Build `lenet5` or `lenet5_original`: [B, H, W, C] → [B, num_classes].

    Args:
        name: "lenet5" or "lenet5_original".
        input_shape: (H, W, C); `lenet5_original` takes 32×32 pixels only.
        num_classes: number of outputs; 10 for `lenet5_original`.
        width: multiplies the number of channels and hidden units; 1 for `lenet5_original`.
        head: "softmax", "logits" or "identity".
        **options: of `lenet5`: `activation` and `pool` ("max" or "mean").
    """
    if name == "lenet5_original":
        return _original(name, input_shape, num_classes, width=width, head=head, **options)
    return _modern(name, input_shape, num_classes, width=width, head=head, **options)


def _modern(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float,
    head: str,
    activation: Any = "relu",
    pool: str = "max",
) -> keras.Model:
    """C3 is fully connected to S2, pooling has no weights, and the last layer is dense."""
    pools = {"max": keras.layers.MaxPooling2D, "mean": keras.layers.AveragePooling2D}
    if pool not in pools:
        raise ValueError(f"pool must be max or mean, got {pool!r}")
    images = x = keras.Input(input_shape, name="images")
    for number, filters in ((1, 6), (2, 16)):
        channels = scaled_channels(filters, width)
        x = ConvUnit2D(channels, 5, padding="valid", activation=activation, name=f"conv{number}")(x)
        x = pools[pool](2, name=f"pool{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in ((3, 120), (4, 84)):
        size = scaled_channels(units, width)
        x = hidden_layer(x, size, f"hidden{number}", activation=activation)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)


def _original(
    name: str, input_shape: tuple[int, int, int], num_classes: int, *, width: float, head: str
) -> keras.Model:
    """60,000 trained parameters; the logits are −‖x − w‖², w the fixed 7×12 bitmaps of digits.

    φ(a) = 1.7159 tanh(2a/3), weights uniform in ±2.4 / fan-in. `head="softmax"` is the softmax of
    the logits: with cross-entropy, the paper's discriminative criterion (9) without its constant.
    """
    check_head(head)
    if num_classes != 10:
        raise ValueError(f"lenet5_original has bitmaps of 10 digits, got {num_classes=}")
    if tuple(input_shape[:2]) != (32, 32):
        raise ValueError(f"lenet5_original takes images of 32×32 pixels, got {input_shape[:2]}")
    if width != 1:
        raise ValueError("lenet5_original has the paper's width; use lenet5 for another width")
    squash = ScaledTanh(2 / 3, 1.7159)
    images = x = keras.Input(input_shape, name="images")
    fan_in = 25 * input_shape[-1]
    x = ConvUnit2D(
        6, 5, padding="valid", activation=squash, kernel_initializer=_uniform(fan_in), name="c1"
    )(x)
    x = Subsampling(squash, name="s2")(x)
    x = PartialConvolution(CONNECTIONS, 5, squash, kernel_initializer=_uniform(25 * 4), name="c3")(
        x
    )
    x = Subsampling(squash, name="s4")(x)
    x = ConvUnit2D(
        120, 5, padding="valid", activation=squash, kernel_initializer=_uniform(400), name="c5"
    )(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = hidden_layer(x, 84, "f6", activation=squash, kernel_initializer=_uniform(120))
    y = RadialBasis(bitmaps(), dtype="float32", name="distances")(x)
    if head == "softmax":
        y = keras.layers.Softmax(dtype="float32", name="probabilities")(y)
    return keras.Model(images, y, name=name)


def _uniform(fan_in: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-2.4 / fan_in, 2.4 / fan_in)


def bitmaps() -> np.ndarray:
    """Return the target codes of the digits, [10, 84]: images of 7×12 pixels, ink +1, paper −1."""
    rows = [line.split() for line in _DIGITS.strip().splitlines()]  # 12 rows of 10 strips
    ink = np.array([[[c == "#" for c in strip] for strip in row] for row in rows])  # [12, 10, 7]
    return np.where(ink, 1.0, -1.0).transpose(1, 0, 2).reshape(10, 84)


_DIGITS = """
.#####. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..##... ##...## ##...## ...###. ##..... .##.... ......# ##...## ##...##
#.....# .###... #.....# ......# ...#.#. #...... ##..... .....## #.....# #.....#
#.....# ...#... ......# ......# ..##.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# .....## ..#..#. #.####. #.####. ....##. ##...## #.....#
#.....# ...#... .....## ..####. .##..#. ##...## ##...## ....#.. .#####. ##...##
#.....# ...#... ....##. .....## .#...#. ......# #.....# ...##.. ##...## .####.#
#.....# ...#... ...##.. ......# ##...#. ......# #.....# ...#... #.....# ......#
#.....# ...#... ..##... ......# ####### ......# #.....# ..##... #.....# ......#
#.....# ...#... .##.... #.....# .....#. #.....# #.....# ..#.... #.....# .....##
##...## ...#... ##..... ##...## .....#. ##...## ##...## .##.... ##...## ....##.
.#####. .#####. ####### .#####. .....#. .#####. .#####. .#..... .#####. .####..
"""
