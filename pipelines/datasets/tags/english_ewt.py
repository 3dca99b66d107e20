"""The default treebank of `tags`, English EWT of Universal Dependencies, as a TFDS builder.

No package contains it, so it must be downloaded once. Importing this module loads TensorFlow.
"""

import hashlib
import sys
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builders.conll.conllu_dataset_builder_utils import UPOS

from ...core.errors import UserError
from ..builders import Builder, prepare
from ..splits import SPLITS
from .conllu import read_conllu

URL = "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/r2.16/{}"
# The release's files. The checksum lists of TFDS need sizes too; a digest is enough.
SHA256 = {
    "en_ewt-ud-train.conllu": "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
    "en_ewt-ud-dev.conllu": "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
    "en_ewt-ud-test.conllu": "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
}

_DESCRIPTION = """
Sentences of English web logs, newsgroups, e-mails, reviews and answers, each word with its
universal part of speech. Release 2.16 of Universal Dependencies, CC BY-SA 4.0.
"""
_CITATION = """
Silveira, Dozat, de Marneffe, Bowman, Connor, Bauer, Manning:
A Gold Standard Dependency Corpus for English, LREC 2014.
"""


class EnglishEWT(Builder):
    """Tokens -> universal parts of speech, in the splits of the release."""

    VERSION = tfds.core.Version("2.16.0")  # of Universal Dependencies

    def _info(self) -> tfds.core.DatasetInfo:
        tokens = tfds.features.Sequence(tfds.features.Text())
        tags = tfds.features.Sequence(tfds.features.ClassLabel(names=UPOS))
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            homepage="https://universaldependencies.org/treebanks/en_ewt/",
            citation=_CITATION,
            features=tfds.features.FeaturesDict({"tokens": tokens, "upos": tags}),
            supervised_keys=("tokens", "upos"),
        )

    def _split_generators(self, dl_manager):
        paths = _download(dl_manager)
        for name, path in paths.items():
            _check(path, name)
        return {
            split: self._generate_examples(path)
            for split, path in zip(SPLITS, paths.values(), strict=True)
        }

    def _generate_examples(self, path):
        sentences = read_conllu(path).sentences  # of the release, none is left out
        for number, sentence in enumerate(sentences):
            yield f"{number:05}", {"tokens": sentence.tokens, "upos": sentence.tags}


def fetch() -> None:
    """Download and prepare the treebank; a failure ends the program with one line."""
    try:
        builder = prepare(EnglishEWT)
    except UserError as error:
        sys.exit(f"errorflow: {error}")
    print(f"{builder.info.full_name} is ready in {builder.data_dir}")


def ready() -> EnglishEWT:
    """Return the builder of the treebank; `UserError` has instructions if it is not on disk."""
    builder = EnglishEWT()
    if not builder.data_path.exists():
        code = f"from {__name__} import fetch; fetch()"
        raise UserError(
            f"--dataset {builder.name} (Universal Dependencies English EWT, the default: 16,622"
            " tagged sentences, CC BY-SA 4.0, 18 MB): not on this machine; give any CoNLL-U"
            f' treebank with --data-dir, or fetch this one with: {sys.executable} -c "{code}"'
        )
    return builder


def _download(dl_manager: tfds.download.DownloadManager) -> dict[str, Path]:
    """Download the released files; return them by name, in the order of the splits."""
    try:
        paths = dl_manager.download({name: URL.format(name) for name in SHA256})
    except (OSError, tfds.core.download.util.DownloadError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{URL.format('')}: cannot be downloaded ({reason})") from error
    return {name: Path(paths[name]) for name in SHA256}


def _check(path: Path, name: str) -> None:
    """Remove a file that differs from the released one from TFDS' cache and raise `UserError`."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256[name]:
        path.unlink()
        path.with_name(f"{path.name}.INFO").unlink()
        raise UserError(
            f"{URL.format(name)}: not the released file (SHA-256 {digest}, expected"
            f" {SHA256[name]}); try again, or give any CoNLL-U treebank with --data-dir"
        )
