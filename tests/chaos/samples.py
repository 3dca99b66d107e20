"""Small data of every task and form, as {path below the data folder: content}."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

Files = dict[str, bytes]
LABELS = ("left", "right")
FORMATS = {
    **{"png": "PNG", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"},
    **{"ico": "ICO", "ppm": "PPM", "tga": "TGA", "jp2": "JPEG2000", "avif": "AVIF", "dds": "DDS"},
}
ROWS = [(f"{'ab' * (n % 3 + 1)} {n}", LABELS[n % 2]) for n in range(24)]
TREE = "1\tthe\t_\tDET\t_\t_\t_\t_\t_\t_\n2\tcat\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n"
COLUMNS = "EU B-ORG\nrejects O\n\nPeter B-PER\n. O\n\n"


def image(number: int, kind: str, frames: int = 1) -> bytes:
    """An image file of 9 by 11 pixels, or an animation."""
    random, buffer = np.random.default_rng(number), io.BytesIO()
    pixels = random.integers(0, 256, (frames, 9, 11, 3), dtype=np.uint8)
    first, *others = map(Image.fromarray, pixels)
    first.save(buffer, kind, **({"save_all": True, "append_images": others} if others else {}))
    return buffer.getvalue()


def pngs(count: int) -> Files:
    return {f"{n}.png": image(n, "PNG") for n in range(count)}


def class_folders() -> Files:
    """An image of each format in the folders of two classes."""
    return {
        f"{label}/{suffix}.{suffix}": image(number, kind)
        for number, label in enumerate(LABELS)
        for suffix, kind in FORMATS.items()
    }


def delimited(separator: str, *rows: tuple[str, ...]) -> bytes:
    return "\n".join(separator.join(row) for row in rows).encode()


def json_lines(*entries: Mapping[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, entries)).encode()


def parquet() -> bytes:
    import pandas

    buffer = io.BytesIO()
    pandas.DataFrame(ROWS, columns=["text", "label"]).to_parquet(buffer)
    return buffer.getvalue()


NUMBERS = range(8)
# {what the folder holds: (task, function that returns its files)}
SAMPLES: Mapping[str, tuple[str, Callable[[], Files]]] = {
    "names in text files": (
        "names",
        lambda: {f"{x}.txt": "\n".join(f"{x}{n}ab" for n in range(20)).encode() for x in LABELS},
    ),
    "names in a CSV file": (
        "names",
        lambda: {"names.csv": delimited(",", ("name", "label"), *ROWS)},
    ),
    "names in JSON": (
        "names",
        lambda: {"n.json": json.dumps([{"name": a, "label": b} for a, b in ROWS]).encode()},
    ),
    "documents in lines": (
        "documents",
        lambda: {"d.tsv": delimited("\t", *((label, f"{text} word") for text, label in ROWS))},
    ),
    "documents in JSON lines": (
        "documents",
        lambda: {"train.jsonl": json_lines(*({"text": a, "label": b} for a, b in ROWS))},
    ),
    "documents in Parquet": ("documents", lambda: {"train.parquet": parquet()}),
    "documents in folders": (
        "documents",
        lambda: {f"{b}/{n}.txt": a.encode() for n, (a, b) in enumerate(ROWS)},
    ),
    "a treebank": (
        "tags",
        lambda: {f"x-{s}.conllu": (TREE * 5).encode() for s in ("train", "dev", "test")},
    ),
    "tags in columns": (
        "tags",
        lambda: {f"{s}.txt": (COLUMNS * 5).encode() for s in ("train", "dev", "test")},
    ),
    "tags in a table": (
        "tags",
        lambda: {
            "t.csv": delimited(
                ",",
                ("sentence", "word", "tag"),
                *((str(n // 3), f"w{n}", "ABC"[n % 3]) for n in range(60)),
            )
        },
    ),
    "pairs in lines": (
        "pronounce",
        lambda: {"pairs.tsv": delimited("\t", *((f"ab{n}", f"A B{n}") for n in range(40)))},
    ),
    "pairs in a table": (
        "pronounce",
        lambda: {
            "p.csv": delimited(",", ("source", "target"), *((f"a{n}", f"b {n}") for n in range(40)))
        },
    ),
    "images in folders": ("images", class_folders),
    "images in a table": (
        "images",
        lambda: {
            "labels.csv": delimited(
                ",", ("file", "label"), *((f"{n}.png", LABELS[n % 2]) for n in NUMBERS)
            ),
            **pngs(8),
        },
    ),
    "animations": (
        "actions",
        lambda: {f"{LABELS[n % 2]}/{n}.gif": image(n, "GIF", 3) for n in NUMBERS},
    ),
    "captions": (
        "captions",
        lambda: {
            "captions.jsonl": json_lines(
                *({"image": f"{n}.png", "caption": f"a {n}"} for n in NUMBERS)
            ),
            **pngs(8),
        },
    ),
    "captions in a table": (
        "captions",
        lambda: {
            "captions.csv": delimited(
                ",", ("image", "caption"), *((f"{n}.png", f"a {n}") for n in NUMBERS)
            ),
            **pngs(8),
        },
    ),
    "stories": (
        "stories",
        lambda: {
            "stories.jsonl": json_lines(
                *(
                    {"images": [f"{n}.png", f"{(n + 1) % 8}.png"], "story": f"a {n}."}
                    for n in NUMBERS
                )
            ),
            **pngs(8),
        },
    ),
}
