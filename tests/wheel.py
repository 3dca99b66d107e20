"""The wheel of the project, built from a copy of the tree."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("layers", "callbacks", "pipelines")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def build_wheel(folder: Path) -> Path:
    """Build the wheel in an empty folder, without an earlier build/; return its path."""
    for name in (*FOLDERS, *FILES):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", folder, "."], cwd=folder, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
