"""The embedded default of the text tasks: real surnames and their language, as a TFDS builder."""

import importlib.metadata

import tensorflow_datasets as tfds

from ..builders import Builder
from ..splits import SPLITS, content_hash, split_of
from . import faker_names

_DESCRIPTION = """
Surnames in lower case and the language they belong to, from the lists of the faker package.
All spellings of one surname, in whatever language, are in the same split.
"""


class Surnames(Builder):
    """Surname -> language.

    The config's name carries the hash of the content, so data prepared from another release of
    faker are never used in their place.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  (a class attribute by TFDS' convention)
        tfds.core.BuilderConfig(
            name=content_hash(faker_names.rows())[:16],
            description=f"faker {importlib.metadata.version('faker')}",
        )
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        languages = sorted({row.label for row in faker_names.rows()})
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            homepage="https://pypi.org/project/faker/",
            features=tfds.features.FeaturesDict(
                {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=languages)}
            ),
            supervised_keys=("text", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split):
        for label, text in faker_names.rows():
            if split_of(faker_names.family(text)) == split:
                yield f"{label}/{text}", {"text": text, "label": label}
