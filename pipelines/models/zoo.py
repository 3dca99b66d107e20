"""The image models as a table: input shapes, sizes and published errors; and the results of ILSVRC.

This module does not import TensorFlow. The tests compare each model with its row.
"""

from typing import NamedTuple


class Architecture(NamedTuple):
    """One image model.

    Attributes:
        family: key of `builder.FAMILIES`.
        input_shape: (H, W, C) of the paper; the figures hold for it.
        num_classes: number of classes in the paper; the figures hold for it.
        min_size: smallest height and width of an image.
        parameters: number of trained parameters.
        multiply_adds: number in all convolutions and dense layers, for one image.
        depth: number of layers with weights on the longest path.
        errors: published top-1 / top-5 error in %, as printed; "" if there is none.
        source: source of the errors.
        fixed_size: the model takes images of `input_shape` only.
    """

    family: str
    input_shape: tuple[int, int, int]
    num_classes: int
    min_size: int
    parameters: int
    multiply_adds: int
    depth: int
    errors: str = ""
    source: str = ""
    fixed_size: bool = False


_IMAGENET = (224, 224, 3), 1000
_CIFAR = (32, 32, 3), 10
_DIGITS = (32, 32, 1), 10

_TEN_CROPS = "validation, 10 crops; He et al. 2016, table 3"
_CIFAR_TEST = "CIFAR-10 test; He et al. 2016, table 6"
_MNIST_TEST = "MNIST test; LeCun et al. 1998, figure 9"
_ONE_CROP = "validation, 1 crop; torchvision, IMAGENET1K_V1"

MODELS: dict[str, Architecture] = {
    "convnet": Architecture("convnet", (64, 64, 3), 10, 8, 243_754, 12_683_776, 5),
    "mlp": Architecture("mlp", *_DIGITS, 1, 792_586, 791_552, 3),
    "lenet5": Architecture("lenet", *_DIGITS, 32, 61_706, 416_520, 5),
    "lenet5_original": Architecture(
        "lenet", *_DIGITS, 32, 60_000, 415_680, 7, "0.95 / –", _MNIST_TEST, fixed_size=True
    ),
    "alexnet": Architecture(
        "alexnet",
        (227, 227, 3),
        1000,
        67,
        60_965_224,
        724_406_816,
        8,
        "40.7 / 18.2",
        "validation, 10 crops, one net; Krizhevsky et al. 2012, table 2",
    ),
    "alexnet_one_tower": Architecture(
        "alexnet", *_IMAGENET, 63, 61_100_840, 714_188_480, 8, "43.5 / 20.9", _ONE_CROP
    ),
    "zfnet": Architecture(
        "alexnet",
        *_IMAGENET,
        53,
        62_357_608,
        1_168_032_896,
        8,
        "38.4 / 16.5",
        "validation, 10 crops, one net; Zeiler & Fergus 2014, table 2",
    ),
    "vgg11": Architecture(
        "vgg", *_IMAGENET, 32, 132_863_336, 7_609_090_048, 11, "31.0 / 11.4", _ONE_CROP
    ),
    "vgg13": Architecture(
        "vgg", *_IMAGENET, 32, 133_047_848, 11_308_466_176, 13, "30.1 / 10.8", _ONE_CROP
    ),
    "vgg16": Architecture(
        "vgg", *_IMAGENET, 32, 138_357_544, 15_470_264_320, 16, "28.1 / 9.3", _TEN_CROPS
    ),
    "vgg19": Architecture(
        "vgg", *_IMAGENET, 32, 143_667_240, 19_632_062_464, 19, "27.6 / 9.1", _ONE_CROP
    ),
    "googlenet": Architecture(
        "googlenet", *_IMAGENET, 32, 6_998_552, 1_582_671_872, 22, "– / 9.15", _TEN_CROPS
    ),
    "resnet18": Architecture(
        "resnet",
        *_IMAGENET,
        32,
        11_689_512,
        1_814_073_344,
        18,
        "27.9 / –",
        "validation, 10 crops, shortcuts without weights; He et al. 2016, table 2",
    ),
    "resnet34": Architecture(
        "resnet", *_IMAGENET, 32, 21_797_672, 3_663_761_408, 34, "24.5 / 7.5", _TEN_CROPS
    ),
    "resnet50": Architecture(
        "resnet", *_IMAGENET, 32, 25_557_032, 3_857_973_248, 50, "22.9 / 6.7", _TEN_CROPS
    ),
    "resnet101": Architecture(
        "resnet", *_IMAGENET, 32, 44_549_160, 7_570_194_432, 101, "21.8 / 6.1", _TEN_CROPS
    ),
    "resnet152": Architecture(
        "resnet", *_IMAGENET, 32, 60_192_808, 11_282_415_616, 152, "21.4 / 5.7", _TEN_CROPS
    ),
    "resnet20": Architecture(
        "resnet", *_CIFAR, 8, 269_722, 40_551_040, 20, "8.75 / –", _CIFAR_TEST
    ),
    "resnet32": Architecture(
        "resnet", *_CIFAR, 8, 464_154, 68_862_592, 32, "7.51 / –", _CIFAR_TEST
    ),
    "resnet44": Architecture(
        "resnet", *_CIFAR, 8, 658_586, 97_174_144, 44, "7.17 / –", _CIFAR_TEST
    ),
    "resnet56": Architecture(
        "resnet", *_CIFAR, 8, 853_018, 125_485_696, 56, "6.97 / –", _CIFAR_TEST
    ),
    "resnet110": Architecture(
        "resnet",
        *_CIFAR,
        8,
        1_727_962,
        252_887_680,
        110,
        "6.43 / –",
        f"{_CIFAR_TEST}, best of 5 runs",
    ),
}


class Placing(NamedTuple):
    """One result of the ILSVRC classification task: top-5 error in %, as printed in `source`."""

    year: int
    place: str
    team: str
    top5: str
    external_data: str
    source: str = "Szegedy et al. 2015, table 2"


_NO, _MORE = "no", "ImageNet 22k"
ILSVRC = (
    Placing(2012, "1", "SuperVision (AlexNet)", "16.4", _NO),
    Placing(2012, "1", "SuperVision (AlexNet)", "15.3", _MORE),
    Placing(2013, "1", "Clarifai (on ZFNet)", "11.7", _NO),
    Placing(2013, "1", "Clarifai (on ZFNet)", "11.2", _MORE),
    Placing(2014, "2", "VGG", "7.32", _NO),
    Placing(2014, "1", "GoogLeNet", "6.67", _NO),
    Placing(2015, "1", "MSRA (ResNets)", "3.57", _NO, "He et al. 2016, table 5"),
)
HUMAN = "5.1"  # top-5 error in % of a trained annotator


class Table(NamedTuple):
    """A titled table of strings."""

    title: str
    header: list[str]
    rows: list[list[str]]


def tables() -> list[Table]:
    """Return the tables that `errorflow zoo` prints."""
    return [_models_table(), _ilsvrc_table()]


def _models_table() -> Table:
    header = [
        "model",
        "input",
        "parameters",
        "multiply-adds, M",
        "depth",
        "top-1 / top-5 %",
        "source",
    ]
    rows = [
        [
            name,
            "×".join(map(str, entry.input_shape)),
            f"{entry.parameters:,}",
            f"{entry.multiply_adds / 1e6:,.1f}",
            str(entry.depth),
            entry.errors,
            entry.source,
        ]
        for name, entry in MODELS.items()
    ]
    return Table("Models (errorflow images train --model NAME)", header, rows)


def _ilsvrc_table() -> Table:
    rows = [[str(row.year), *row[1:]] for row in ILSVRC]
    return Table(
        "ILSVRC classification: top-5 error of the entries, most of them ensembles",
        ["year", "place", "team", "top-5 %", "external data", "source"],
        [*rows, ["", "", "human annotator", HUMAN, "", "Russakovsky et al. 2015, section 6.4"]],
    )
