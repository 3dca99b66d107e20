"""Execute notebooks of the documentation, and print how long each takes.

    python docs/execute.py docs/lecture/01_*.md
    python docs/execute.py docs/lecture/*.md --to lecture    # and writes them as lecture/*.ipynb

A notebook is a MyST Markdown file, as Jupytext and MyST-NB read it. The exit code is 1 if a cell of
one of them raises an exception, and 2 if there is no such file.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

# TensorFlow's log and its progress bars belong to a terminal.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
# A kernel warns of sockets that are not encrypted.
KERNEL = Config({"KernelManager": {"transport_encryption": "auto"}})


def execute(path: Path, timeout: int = 600) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of its cells.

    It runs in an empty temporary folder, so that nothing it writes stays behind.

    Args:
        path: a MyST Markdown file.
        timeout: seconds for a single cell.

    Raises:
        CellExecutionError: a cell has raised an exception.
    """
    notebook = jupytext.read(path)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=timeout, resources=place, config=KERNEL)
        return client.execute(env=os.environ | QUIET)


def main() -> int:
    """Execute the notebooks that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--to", type=Path, help="folder for the executed notebooks (.ipynb)")
    arguments = parser.parse_args()
    for path in arguments.notebooks:
        if not path.is_file():
            parser.error(f"{path}: there is no such file; give notebooks such as docs/lecture/*.md")
    failed = 0
    for path in arguments.notebooks:
        start = time.perf_counter()
        try:
            notebook = execute(path)
        except CellExecutionError as error:
            failed = 1
            print(f"{path}: {error}", file=sys.stderr)
            continue
        print(f"{path}  {time.perf_counter() - start:.0f} s", flush=True)
        if arguments.to is not None:
            arguments.to.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, arguments.to / f"{path.stem}.ipynb")
    return failed


if __name__ == "__main__":
    sys.exit(main())
