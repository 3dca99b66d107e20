"""A package with entry points on sys.path, as `pip install` leaves it."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from errorflow.layers.rnn.installed_cells import register_installed_cells
from errorflow.pipelines.registry import installed_tasks


@contextlib.contextmanager
def installed(
    folder: Path, entry_points: Mapping[str, Mapping[str, str]], **modules: str
) -> Iterator[None]:
    """Put a package in a folder on sys.path inside the block; errorflow looks for it anew.

    Args:
        folder: an empty folder.
        entry_points: {group: {name: object reference}}.
        **modules: the source of each module of the package.
    """
    info = folder / "fake_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-package\nVersion: 1.0\n")
    groups = (
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in entry_points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    caches = (installed_tasks, register_installed_cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()
