"""LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998), as printed and as it is taught today.

`errorflow images train`, which learns from 3,600 digits, tells 98.5 % of the 1,000 test digits
right (mean of three seeds, 98.1 to 99.0), after 143 s on two cores that train another network too
(`python benchmarks/seeds.py images --models lenet5`).
"""

from typing import Any

import keras
import numpy as np

from ...layers import ConvUnit2D, PartialConvolution, RadialBasis, ScaledTanh, Subsampling
from .heads import check_head, hidden, scaled
from .heads import head as head_layer

# The paper's table I: which maps of S2 each of the 16 maps of C3 sees.
CONNECTIONS = (
    *([(i) % 6, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *([(i) % 6, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)),
    *([i % 6, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6] for i in range(3)),
    list(range(6)),
)


def build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    width: float = 1.0,
    head: str = "softmax",
    **options: Any,
) -> keras.Model:
    """`lenet5`, with options `activation` and `pool` ("max" or "mean"), or `lenet5_original`."""
    if name == "lenet5_original":
        return _original(name, input_shape, num_classes, width=width, head=head, **options)
    return _modern(name, input_shape, num_classes, width=width, head=head, **options)


def _modern(
    name, input_shape, num_classes, *, width, head, activation="relu", pool="max"
) -> keras.Model:
    """All maps of C3 see all of S2, the pools are plain, and the last layer is dense."""
    pools = {"max": keras.layers.MaxPooling2D, "mean": keras.layers.AveragePooling2D}
    if pool not in pools:
        raise ValueError(f"pool must be max or mean, got {pool!r}")
    images = x = keras.Input(input_shape, name="images")
    for number, filters in ((1, 6), (2, 16)):
        unit = ConvUnit2D(
            scaled(filters, width), 5, padding="valid", activation=activation, name=f"conv{number}"
        )
        x = pools[pool](2, name=f"pool{number}")(unit(x))
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in ((3, 120), (4, 84)):
        x = hidden(x, scaled(units, width), f"hidden{number}", activation=activation)
    return keras.Model(images, head_layer(x, num_classes, head), name=name)


def _original(name, input_shape, num_classes, *, width, head) -> keras.Model:
    """60,000 trained parameters; the logits are −‖x − w‖², w the fixed 7×12 bitmaps of digits.

    φ(a) = 1.7159 tanh(2a/3), weights uniform in ±2.4 / fan-in. `head="softmax"` is the softmax of
    the logits: with cross-entropy, the paper's discriminative criterion (9) without its constant.
    """
    check_head(head)
    if num_classes != 10:
        raise ValueError(f"lenet5_original knows the bitmaps of 10 digits, got {num_classes=}")
    if tuple(input_shape[:2]) != (32, 32):
        raise ValueError(f"lenet5_original takes images of 32×32 pixels, got {input_shape[:2]}")
    if width != 1:
        raise ValueError("lenet5_original has the paper's width: use lenet5 for another")
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
    x = hidden(x, 84, "f6", activation=squash, kernel_initializer=_uniform(120))
    y = RadialBasis(bitmaps(), dtype="float32", name="distances")(x)
    if head == "softmax":
        y = keras.layers.Softmax(dtype="float32", name="probabilities")(y)
    return keras.Model(images, y, name=name)


def _uniform(fan_in: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-2.4 / fan_in, 2.4 / fan_in)


def bitmaps() -> np.ndarray:
    """The codes of the digits, +1 ink and −1 paper, [10, 84]: drawn here, 7 wide and 12 high."""
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
