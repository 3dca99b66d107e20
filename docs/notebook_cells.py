"""Sphinx extension: how the cells of notebooks look on the site.

A hidden cell that begins with "# Solution" is opened by a click on this word. What TensorFlow logs
to stderr when it is loaded is left out.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

LOG = re.compile(
    r"^(?:[IWE]\d{4} \d\d:|\d{10}\.\d+\s|WARNING: All log messages before absl|"
    r"To enable the following instructions).*\n*",
    re.M,
)


def name_solutions(app: Sphinx, document: nodes.document) -> None:
    for cell in document.findall(nodes.container):
        if cell.get("hide_mode") == "all" and cell.astext().startswith("# Solution"):
            cell["prompt_show"] = cell["prompt_hide"] = "Solution"


def leave_out_logs(app: Sphinx, document: nodes.document) -> None:
    for output in list(document.findall(nodes.literal_block)):
        if "stderr" not in output["classes"]:
            continue
        text = LOG.sub("", output.astext()).strip("\n")
        if text:
            output.children = [nodes.Text(text)]
        else:
            output.parent.remove(output)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", name_solutions)
    app.connect("doctree-read", leave_out_logs)
    return {"parallel_read_safe": True}
