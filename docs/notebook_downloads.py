"""Sphinx extension: a downloaded notebook reads well in Jupyter and Colab, which know no MyST.

Roles become code, a dropdown becomes HTML that can be opened, and the sentence on the download is
left out. Solutions are folded, and their outputs are left for the reader to compute.
"""

import re
from pathlib import Path

import nbformat
from sphinx.application import Sphinx

DOWNLOAD = re.compile(r"^\{nb-download\}.*?(?:\n\n|\Z)", re.M | re.S)
ROLE = re.compile(r"\{[a-z:]+\}`~?(.+?)(?: <.+?>)?`")
DROPDOWN = re.compile(r"^(`{3,}|:{3,})\{dropdown\} *(.*?)\n(.*?)\n\1$", re.M | re.S)
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for JupyterLab, for Colab


def plain(markdown: str) -> str:
    """Return the Markdown of a cell without what only MyST understands."""
    markdown = ROLE.sub(r"`\1`", DOWNLOAD.sub("", markdown))
    folded = r"<details><summary>\2</summary>\n\n\3\n\n</details>"
    return DROPDOWN.sub(folded, markdown).rstrip()


def prepare(notebook: nbformat.NotebookNode) -> None:
    """Change a notebook of the site in place to one for Jupyter and Colab."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source)
        elif cell.source.startswith("# Solution"):
            cell.source = cell.source.replace("# Solution", "# @title Solution", 1)
            cell.metadata |= FOLDED
            cell.outputs, cell.execution_count = [], None


def prepare_all(app: Sphinx, exception: Exception | None) -> None:
    for path in Path(app.outdir).glob("_downloads/*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        prepare(notebook)
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", prepare_all)
    return {"parallel_read_safe": True}
