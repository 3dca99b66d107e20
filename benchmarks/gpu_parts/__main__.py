"""Run one part and write its report: python -m gpu_parts PART FOLDER SECONDS [--reduced]"""

import argparse
import dataclasses
import importlib
import json
import math
import time
from pathlib import Path

from . import PARTS, Form


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--reduced", action="store_true")
    args = parser.parse_args()
    form = Form(args.reduced, args.folder / "files", time.monotonic() + args.seconds)
    form.folder.mkdir()
    let_memory_grow()
    report = importlib.import_module(f"gpu_parts.{args.part}").run(form)
    text = json.dumps(plain(dataclasses.asdict(report)))
    (args.folder / "report.json").write_text(text, encoding="utf-8")


def plain(value):
    """Return a value as JSON can hold it, which has no NaN and no infinity."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [*map(plain, value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    return float(value) if math.isfinite(value) else str(float(value))


def let_memory_grow():
    """Let this process take only the memory of the GPU that it needs: others run beside it."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


if __name__ == "__main__":
    main()
