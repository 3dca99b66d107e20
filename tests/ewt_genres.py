"""Real documents for tests: English EWT, each document with its genre as the label."""

import os
from collections import defaultdict
from pathlib import Path

DATA = Path(os.environ.get("ERRORFLOW_DATA", Path(__file__).parents[2] / "shared" / "data"))
EWT = DATA / "ud-english-ewt"
PART_OF_SPLIT = {"train": "train", "validation": "dev", "test": "test"}


def write_genres(folder: Path, source: Path) -> Path:
    """Writes train.tsv, validation.tsv and test.tsv, lines genre<TAB>text, from the CoNLL-U files.

    The splits are those of the treebank, which keeps a document in one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split, part in PART_OF_SPLIT.items():
        documents = _documents(source / f"en_ewt-ud-{part}.conllu")
        lines = [f"{name.partition('-')[0]}\t{text}\n" for name, text in documents.items()]
        (folder / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


def _documents(path: Path) -> dict[str, str]:
    """{name: text}; sent_id is <name>-<number>, and not every file has `# newdoc id`."""
    sentences, document = defaultdict(list), ""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.strip().partition(" = ")
            if key == "# sent_id":
                document = value.rpartition("-")[0]
            elif key == "# text":
                sentences[document].append(value)
    return {name: " ".join(texts) for name, texts in sentences.items()}
