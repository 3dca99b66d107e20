"""The architectures of the ImageNet years as a table: sizes, published errors, who won when.

Nothing here imports TensorFlow. That each model has the numbers written here is tested.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One architecture.

    Attributes:
        family: module of this package that builds it.
        input_shape: [H, W, C] that the figures are for.
        num_classes: likewise.
        least: smallest height and width that it takes.
        parameters: trained ones.
        multiply_adds: of convolutions and dense layers for one image, in units.
        depth: layers with weights on the longest path.
        errors: published top-1 / top-5 error in %, as printed; "" if none.
        source: of the errors.
        one_size: it takes no other images than those of `input_shape`.
    """

    family: str
    input_shape: tuple[int, int, int]
    num_classes: int
    least: int
    parameters: int
    multiply_adds: int
    depth: int
    errors: str = ""
    source: str = ""
    one_size: bool = False


_IMAGENET = (224, 224, 3), 1000
_CIFAR = (32, 32, 3), 10
_DIGITS = (32, 32, 1), 10

_TEN_CROPS = "validation, 10 crops; He et al. 2016, tables 3 and 4"
_CIFAR_TEST = "CIFAR-10 test; He et al. 2016, table 6"
_MNIST_TEST = "MNIST test; LeCun et al. 1998"
_ONE_CROP = "validation, 1 crop; torchvision, IMAGENET1K_V1"

MODELS: dict[str, Entry] = {
    "mlp": Entry("mlp", *_DIGITS, 1, 792_586, 791_552, 3),
    "lenet5": Entry("lenet", *_DIGITS, 32, 61_706, 416_520, 5),
    "lenet5_original": Entry(
        "lenet", *_DIGITS, 32, 60_000, 415_680, 7, "0.95 / –", _MNIST_TEST, one_size=True
    ),
    "alexnet": Entry(
        "alexnet",
        (227, 227, 3),
        1000,
        67,
        60_965_224,
        724_406_816,
        8,
        "40.7 / 18.2",
        "validation, 10 crops, one net; Krizhevsky et al. 2012",
    ),
    "alexnet_one_tower": Entry(
        "alexnet", *_IMAGENET, 63, 61_100_840, 714_188_480, 8, "43.5 / 20.9", _ONE_CROP
    ),
    "zfnet": Entry(
        "alexnet",
        *_IMAGENET,
        53,
        62_357_608,
        1_168_032_896,
        8,
        "38.3 / 16.4",
        "validation, 10 crops, one net; Zeiler & Fergus 2014",
    ),
    "vgg11": Entry("vgg", *_IMAGENET, 32, 132_863_336, 7_609_090_048, 11, "31.0 / 11.4", _ONE_CROP),
    "vgg13": Entry(
        "vgg", *_IMAGENET, 32, 133_047_848, 11_308_466_176, 13, "30.1 / 10.8", _ONE_CROP
    ),
    "vgg16": Entry(
        "vgg", *_IMAGENET, 32, 138_357_544, 15_470_264_320, 16, "28.1 / 9.3", _TEN_CROPS
    ),
    "vgg19": Entry("vgg", *_IMAGENET, 32, 143_667_240, 19_632_062_464, 19, "27.6 / 9.1", _ONE_CROP),
    "googlenet": Entry(
        "googlenet", *_IMAGENET, 32, 6_998_552, 1_582_671_872, 22, "– / 9.15", _TEN_CROPS
    ),
    "resnet18": Entry(
        "resnet", *_IMAGENET, 32, 11_689_512, 1_814_073_344, 18, "27.9 / –", _TEN_CROPS
    ),
    "resnet34": Entry(
        "resnet", *_IMAGENET, 32, 21_797_672, 3_663_761_408, 34, "24.5 / 7.5", _TEN_CROPS
    ),
    "resnet50": Entry(
        "resnet", *_IMAGENET, 32, 25_557_032, 3_857_973_248, 50, "22.9 / 6.7", _TEN_CROPS
    ),
    "resnet101": Entry(
        "resnet", *_IMAGENET, 32, 44_549_160, 7_570_194_432, 101, "21.8 / 6.1", _TEN_CROPS
    ),
    "resnet152": Entry(
        "resnet", *_IMAGENET, 32, 60_192_808, 11_282_415_616, 152, "21.4 / 5.7", _TEN_CROPS
    ),
    "resnet20": Entry("resnet", *_CIFAR, 8, 269_722, 40_551_040, 20, "8.75 / –", _CIFAR_TEST),
    "resnet32": Entry("resnet", *_CIFAR, 8, 464_154, 68_862_592, 32, "7.51 / –", _CIFAR_TEST),
    "resnet44": Entry("resnet", *_CIFAR, 8, 658_586, 97_174_144, 44, "7.17 / –", _CIFAR_TEST),
    "resnet56": Entry("resnet", *_CIFAR, 8, 853_018, 125_485_696, 56, "6.97 / –", _CIFAR_TEST),
    "resnet110": Entry("resnet", *_CIFAR, 8, 1_727_962, 252_887_680, 110, "6.43 / –", _CIFAR_TEST),
}


class Placing(NamedTuple):
    """A row of the ILSVRC classification task."""

    year: int
    place: str
    team: str
    top5: str
    external_data: str


_NO, _MORE = "no", "ImageNet 22k"
ILSVRC = (
    Placing(2012, "1", "SuperVision (AlexNet)", "16.4", _NO),
    Placing(2012, "1", "SuperVision (AlexNet)", "15.3", _MORE),
    Placing(2013, "1", "Clarifai (on ZFNet)", "11.7", _NO),
    Placing(2013, "1", "Clarifai (on ZFNet)", "11.2", _MORE),
    Placing(2014, "2", "VGG", "7.3", _NO),
    Placing(2014, "1", "GoogLeNet", "6.67", _NO),
    Placing(2015, "1", "MSRA (ResNets)", "3.57", _NO),
)
HUMAN = "5.1"  # top-5 error of a trained person; Russakovsky et al. 2015


def report() -> list[tuple[str, list[str], list[list[str]]]]:
    """[(title, head, rows)] of the tables that `errorflow zoo` prints."""
    models = [
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
    head = [
        "model",
        "input",
        "parameters",
        "multiply-adds, M",
        "depth",
        "top-1 / top-5 %",
        "source",
    ]
    places = [[str(row.year), *row[1:]] for row in ILSVRC]
    places.append(["", "", "a person", HUMAN, ""])
    return [
        ("Models (errorflow images train --model NAME)", head, models),
        (
            "ILSVRC, classification: top-5 error of the entries, ensembles mostly",
            ["year", "place", "team", "top-5 %", "external data"],
            places,
        ),
    ]
