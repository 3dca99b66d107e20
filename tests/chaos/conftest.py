"""The summary of each part, printed at the end; the limits of time, which are longer here."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

EDITION = Path(__file__).parents[1] / "data" / "first_edition"


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import nothing of this folder in a run that leaves out what is slow."""
    return True if config.option.markexpr == "not slow" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per part."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for key, line in getattr(report, "user_properties", ()):
                if key == "chaos" and report.when == "call":
                    terminalreporter.write_line(f"chaos: {line} ({report.outcome})")


@pytest.fixture
def summary(record_property) -> Callable[[str], None]:
    """(line) → it is printed at the end of the session."""
    return lambda line: record_property("chaos", line)


@pytest.fixture
def earlier_runs(tmp_path, monkeypatch) -> Path:
    """The current folder, which holds runs and searches of an earlier version, and odd files."""
    shutil.copytree(EDITION, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"
