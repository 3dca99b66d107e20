"""The tests of the example package run from its folder, without an installation."""

import sys
import tomllib
from pathlib import Path

import pytest
from fake_package import installed

EXAMPLE = Path(__file__).parent / "errorflow_example"
sys.path.append(str(EXAMPLE))


@pytest.fixture(autouse=True, scope="module")
def example(tmp_path_factory):
    """errorflow finds the entry points of the package's pyproject.toml."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with installed(tmp_path_factory.mktemp("site"), project["entry-points"]):
        yield
