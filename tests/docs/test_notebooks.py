"""The notebooks of the lecture, the gallery and the guides: their form, and that they run."""

import ast
import importlib
import re
import sys
from pathlib import Path

import jupytext
import pytest

DOCS = Path(__file__).parents[2] / "docs"
LECTURE = sorted((DOCS / "lecture").glob("[0-9]*.md"))
GALLERY = sorted((DOCS / "gallery").glob("*_[0-9]*.md"))
GUIDES = [p for p in sorted((DOCS / "guides").glob("*.md")) if p.read_text().startswith("---\nj")]
NOTEBOOKS = [*LECTURE, *GALLERY, *GUIDES]


def named(paths):
    return [pytest.param(path, id=path.relative_to(DOCS).as_posix()) for path in paths]


def cells(path, kind="code"):
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == kind]


def code(path):
    """The code of a notebook, with `pass` in place of lines for IPython alone."""
    source = "\n".join(cell.source for cell in cells(path))
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M))


@pytest.mark.parametrize("path", named(LECTURE + GALLERY))
def test_a_notebook_can_be_downloaded_and_installs_errorflow(path):
    title, install = cells(path, "markdown")[0].source, cells(path)[0].source
    assert title.startswith("# ")
    assert f"{{nb-download}}`Download this notebook <{path.stem}.ipynb>`" in title
    assert 'find_spec("errorflow") is None' in install
    assert '%pip install -q "errorflow[pipelines]"' in install


@pytest.mark.parametrize("path", named(LECTURE))
def test_a_lecture_has_two_exercises_with_solutions(path):
    hidden = [cell for cell in cells(path) if "hide-cell" in cell.metadata.get("tags", [])]
    in_code = [cell for cell in hidden if cell.source.startswith("# Solution")]
    in_words = re.findall(r"\{dropdown\} Solution", path.read_text(encoding="utf-8"))
    assert len(in_code) + len(in_words) >= 2


@pytest.mark.parametrize("path", named(NOTEBOOKS))
def test_a_notebook_imports_names_that_exist(path):
    for node in ast.walk(code(path)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("errorflow"):
            for alias in node.names:
                assert _exists(node.module, alias.name), f"{node.module}.{alias.name}"


def _exists(module, name):
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        return bool(importlib.import_module(f"{module}.{name}"))
    except ModuleNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", named(NOTEBOOKS))
def test_a_notebook_runs(path, monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    execute = importlib.import_module("execute").execute
    monkeypatch.delitem(sys.modules, "execute")
    executed = [cell for cell in execute(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in executed] == [*range(1, len(executed) + 1)]
    kinds = {output.output_type for cell in executed for output in cell.outputs}
    assert "error" not in kinds
