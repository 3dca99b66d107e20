"""Quantisation in a process of its own: an error that ends it leaves this process as it is."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.cluster import without_cluster
from ..core.stop_request import PARENT
from .export_comparison import Arrays
from .quantisation import write_examples

MODULE = "errorflow.pipelines.training.quantisation"


class ToQuantise(NamedTuple):
    """A LiteRT file in floats, inputs [1, …] to measure its ranges on, and the file to write."""

    source: Path
    examples: Iterable[Arrays]
    target: Path


def quantise_apart(files: Sequence[ToQuantise]) -> str:
    """Write LiteRT files in int8; return the reason in one line if that fails, or "".

    All of the files are written, or none of them. The examples, which can be large, are written
    beside the files: what a killed export leaves there is deleted by the next one.
    """
    place = files[0].target.parent
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
        arguments = []
        for number, file in enumerate(files):
            examples = Path(folder) / f"{number}.npz"
            write_examples(examples, file.examples)
            arguments += [file.source, examples, file.target]
        reason = _reason(_run([sys.executable, "-P", "-m", MODULE, *map(str, arguments)]))
    if reason:
        for file in files:
            file.target.unlink(missing_ok=True)
    return reason


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = without_cluster(os.environ) | {
        PARENT: str(os.getpid()),
        "CUDA_VISIBLE_DEVICES": "-1",  # the quantiser computes on the CPU
    }
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        process_group=0,  # Ctrl-C reaches this process alone, which then ends the other one
        check=False,
    )


def _reason(ended: subprocess.CompletedProcess[str]) -> str:
    if ended.returncode == 0:
        return ""
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        return f"TensorFlow's quantiser, or LiteRT with what it wrote, was ended by {name}"
    printed = (ended.stdout.strip() or ended.stderr.strip()).splitlines()
    return f"TensorFlow's quantiser: {printed[-1][:200] if printed else f'code {ended.returncode}'}"
