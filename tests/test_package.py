"""The wheel holds what the tree holds, and the README's commands and example are true."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("layers", "callbacks", "pipelines")


def test_the_wheel_has_every_file(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", tmp_path, "."], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if not n.split("/")[0].endswith("info")}
    tree = {
        f"errorflow/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix != ".pyc"
    }
    assert packed == tree


def test_readme_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    subprocess.run([sys.executable, "-c", example], check=True, timeout=240)
    assert (tmp_path / "error_flow.png").stat().st_size > 10_000
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_readme_begins_with_the_two_commands():
    commands = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    lines = "".join(commands).splitlines()[:2]
    assert all(line.startswith("[ -d .venv ] || python3.11 -m venv .venv; ") for line in lines)
    assert lines[0].endswith("errorflow names train")
    assert lines[1].endswith("-m pytest -n 2 --dist loadfile")
