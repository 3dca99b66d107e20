"""The site builds without a warning; it is complete, and what its pages show runs."""

import ast
import re
from pathlib import Path

import pytest
from errorflow.callbacks.findings.finding import HEALTHY, UNCLEAR, Finding
from errorflow.callbacks.findings.remedies import OF_KIND, REMEDIES
from sphinx.cmd.build import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
BLOCK = re.compile(r"(?:<!-- test: (.*?) -->\n)?^```python\n(.*?)^```", re.M | re.S)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_the_site_builds_without_a_warning(tmp_path, capfd):
    options = ["-q", "-W", "-D", "nb_execution_mode=off", "-d", str(tmp_path / "trees")]
    code = main([*options, str(DOCS), str(tmp_path / "html")])
    assert code == 0, capfd.readouterr().err
    downloads = {path.stem: _text(path) for path in tmp_path.rglob("_downloads/*/*.ipynb")}
    assert downloads.keys() == {path.stem for path in DOCS.glob("*/*_*.md") if _is_offered(path)}
    for name, notebook in downloads.items():
        left = re.findall(r"\{(?:nb-download|dropdown|py:\w+)\}|# Solution", notebook)
        assert not left, f"{name}: not for Jupyter or Colab: {left}"


def _is_offered(path):
    return "{nb-download}" in _text(path)


@pytest.mark.parametrize("package", ["layers", "callbacks", "pipelines"])
def test_every_public_name_is_in_the_reference(package):
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = {
        alias.name for node in imports for alias in node.names if node.module != "deprecated"
    } - {"TYPE_CHECKING", "Any"}
    reference = (DOCS / "api" / f"{package}.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: (\w+)", reference, re.M))
    assert names
    assert not names - documented


def test_every_kind_of_finding_is_explained():
    named = {kind for kind in re.findall(r'"([a-z ]+)"', Finding.__doc__ or "") if kind}
    headings = set(re.findall(r"^### (.+)$", _text(DOCS / "guides" / "findings.md"), re.M))
    assert {*OF_KIND, *HEALTHY, *UNCLEAR} <= named
    assert named == headings


def test_every_remedy_has_a_row_that_says_how_to_set_it():
    rows = re.findall(r"^\| (`[^|]*) \|", _text(DOCS / "guides" / "findings.md"), re.M)
    assert {remedy.name for remedy in REMEDIES} <= {
        n for r in rows for n in re.findall("`(.*?)`", r)
    }


def _text(path):
    return path.read_text(encoding="utf-8")


def pages_with_blocks(is_slow):
    """The pages with blocks of Python, and these blocks, those that no test can run left out."""
    for path in sorted(PAGES):
        chosen = [
            code
            for mark, code in BLOCK.findall(_text(path))
            if not mark.startswith("not here") and (mark == "slow") == is_slow
        ]
        if chosen:
            marks = [pytest.mark.slow, pytest.mark.timeout(900)] if is_slow else []
            page = path.relative_to(DOCS).as_posix()
            yield pytest.param(chosen, id=page, marks=marks)


@pytest.mark.parametrize("blocks", [*pages_with_blocks(False), *pages_with_blocks(True)])
def test_blocks_of_python_run(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "page", "exec"), namespace)
        assert _defined_by(block) <= namespace.keys()


def _defined_by(block):
    """The names that the statements of a block define."""
    names = set()
    for statement in ast.parse(block).body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                names |= {a.asname or a.name.split(".")[0] for a in statement.names}
            case ast.FunctionDef() | ast.ClassDef():
                names.add(statement.name)
            case ast.Assign():
                stored = [n for target in statement.targets for n in ast.walk(target)]
                names |= {n.id for n in stored if isinstance(n, ast.Name) and _is_stored(n)}
    return names


def _is_stored(name):
    return isinstance(name.ctx, ast.Store)
