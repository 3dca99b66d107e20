"""The wheel contains the tree, and the examples and commands in the READMEs work."""

import ast
import importlib
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml
from errorflow.pipelines.commands.launch import LaunchConfig
from errorflow.pipelines.commands.report import ReportConfig
from errorflow.pipelines.commands.run_findings import FindingsConfig
from errorflow.pipelines.commands.runs import CompareConfig, ListConfig
from errorflow.pipelines.commands.tensorboard import TensorBoardConfig
from errorflow.pipelines.core.flags import parse_flags
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.search.config import tune_config
from errorflow.pipelines.training.verbs import verbs_of
from errorflow.pipelines.treatment.config import DoctorConfig
from wheel import FOLDERS, ROOT, build_wheel

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
READMES = "\n".join([README, *(path.read_text(encoding="utf-8") for path in TEXTS)])
SET_UP = [line for line in README.splitlines() if line.startswith("[ -d .venv ] || ")]


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def test_the_wheel_has_every_file(wheel):
    names = wheel.namelist()
    packed = {name for name in names if not name.split("/")[0].endswith("info")}
    tree = {
        f"errorflow/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    # pyproject.toml maps the package `errorflow` itself to this folder
    assert packed == {name.replace("errorflow/pipelines/errorflow/", "errorflow/") for name in tree}
    assert packed >= {"errorflow/__init__.py", "errorflow/py.typed"}


def test_the_long_description_has_no_link_into_the_repository(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    description = wheel.read(metadata).decode()
    assert "\nDescription-Content-Type: text/markdown\n" in description
    assert "\n# errorflow\n" in description
    assert "the TensorBoard tab" in description  # the text of a link
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", description) == []


@pytest.mark.slow
def test_the_sdist_has_what_a_contributor_needs(tmp_path):
    left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT, tmp_path / "tree", ignore=left_out)
    code = f"import setuptools.build_meta as backend; backend.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "tree", check=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    folders = (*FOLDERS, "tests", "benchmarks", "docs", ".ci")
    paths = (path for folder in folders for path in (tmp_path / "tree" / folder).rglob("*"))
    tree = {path.relative_to(tmp_path / "tree") for path in paths if path.is_file()}
    built = {path for path in tree if path.parts[:2] == ("docs", "_build")}
    assert {path.as_posix() for path in tree - built} <= packed
    assert {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "setup.py"} <= packed


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_pages_at_the_top_lead_to_files(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_checks_before_a_commit_are_those_of_the_second_command():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert len(hooks) == 3
    assert [hook["entry"] for hook in hooks if f"{hook['entry']} &&" not in SET_UP[1]] == []


def test_the_version_is_that_of_the_project():
    import errorflow

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert errorflow.__version__ == project["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"]


# The README's two commands


def test_readme_has_the_two_commands():
    train, check = SET_UP
    assert train.endswith(" && .venv/bin/errorflow names train")
    assert check.endswith(" && .venv/bin/python -m pytest -n 3 --dist loadfile")
    assert train.split(".venv/bin/pip")[0] == check.split(".venv/bin/pip")[0]
    assert "-e '.[pipelines]' &&" in train
    assert "-e '.[pipelines,docs,test,onnx,litert,series,speech,text,video,mlflow]' &&" in check


MAKE_VENV = """#!/bin/sh
mkdir -p .venv/bin
for name in pip errorflow; do
  printf '#!/bin/sh\\necho "$0" "$@"\\n' > .venv/bin/$name
  chmod +x .venv/bin/$name
done
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_set_up_uses_a_python_that_works(tmp_path, version):
    """pyenv has a shim for every version; a shim of a version that is not selected fails."""
    for name in ("3.11", "3.12", "3.13"):
        script = MAKE_VENV if name == version else "#!/bin/sh\nexit 127\n"
        _script(tmp_path / f"python{name}", script)
    process = _set_up(tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    install, train = process.stdout.splitlines()
    assert install == ".venv/bin/pip install -q -e .[pipelines]"
    assert train == ".venv/bin/errorflow names train"


def test_the_set_up_without_a_suitable_python(tmp_path):
    process = _set_up(tmp_path)
    assert process.returncode != 0
    assert process.stdout == "errorflow needs Python 3.11, 3.12 or 3.13\n"


def _script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def _set_up(folder):
    """Run the README's first command in a folder that has the only Pythons on the path."""
    for tool in ("mkdir", "chmod"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return subprocess.run(
        ["/bin/sh", "-c", SET_UP[0]],
        cwd=folder,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


# The README's examples


def test_readme_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    then = 'flow.plot().savefig("error_flow.png")\nprint("lstm" in flow._repr_html_())'
    code = f"{blocks('python')[0]}\n{then}"
    ran = subprocess.run([sys.executable, "-c", code], check=True, timeout=240, capture_output=True)
    assert ran.stdout.endswith(b"True\n")
    assert (tmp_path / "error_flow.png").stat().st_size > 10_000
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_python_examples_of_the_documentation_are_valid():
    examples = [ast.parse(example) for example in blocks("python", READMES)]
    assert examples
    assert all(example.body for example in examples)


def test_the_python_api_of_the_documentation_exists():
    from errorflow import pipelines

    owners = {"pipelines": pipelines, "run": pipelines.Run, "search": pipelines.Search}
    examples = "\n".join(blocks("python", READMES))
    names = re.findall(r"\b(pipelines|run|search)\.(\w+)\b(?!\.)", examples)
    assert {"train", "tune", "load_run"} <= {name for _, name in names}
    fields = {"path"}  # of dataclasses, which the class itself has not
    missing = [(o, n) for o, n in names if n not in fields and not hasattr(owners[o], n)]
    assert not missing


def test_names_in_the_readmes_exist():
    groups = {"errorflow.cells", "errorflow.tasks"}  # of entry points
    for dotted in sorted({*re.findall(r"errorflow(?:\.\w+)+", READMES)} - groups):
        assert _resolves(dotted), dotted
    table = README.split("| callback |")[1].split("\n\n")[0]
    for name in re.findall(r"`([A-Z]\w+)`", table):
        assert _resolves(f"errorflow.callbacks.{name}"), name


def _resolves(dotted):
    module, *names = dotted.split(".")
    value = importlib.import_module(module)
    for name in names:
        module = f"{module}.{name}"
        try:
            value = getattr(value, name)
        except AttributeError:
            try:
                value = importlib.import_module(module)
            except ModuleNotFoundError:
                return False
    return True


def command_lines():
    """Every command of errorflow in the documentation: in blocks, and between backticks."""
    scripts = "\n".join(blocks("sh", READMES))
    in_blocks = re.findall(r"^\s*(?:srun .*|exec )?(errorflow .*)", scripts, re.M)
    prose = re.sub(r"^( *)(`{3,}).*?^\1\2", "", READMES, flags=re.S | re.M)
    between = [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose)]
    lines = in_blocks + [line for line in between if line.startswith("errorflow ")]
    lines += [f"errorflow {line.partition(' -- ')[2]}" for line in lines if " -- " in line]
    return sorted({re.sub(r"\s+# .*|\s+\$\w+'?", "", line) for line in lines if "…" not in line})


@pytest.mark.parametrize("line", command_lines())
def test_commands_of_the_readmes_parse(line):
    _, *words = shlex.split(line)
    if words in (["zoo"], ["--help"], ["--version"]):
        return
    prog, cls, flags = _command(words)
    config = parse_flags(cls, flags, prog)
    getattr(config, "resolved", lambda: config)().check()


def _command(words):
    """The arguments for parsing a command line: (prog, config class, flags)."""
    commands = {"report": ReportConfig, "tensorboard": TensorBoardConfig}
    match words:
        case ["runs", "compare", *flags]:
            return "errorflow runs compare", CompareConfig, flags
        case ["runs", "findings", *flags]:
            return "errorflow runs findings", FindingsConfig, flags
        case ["runs", *flags]:
            return "errorflow runs", ListConfig, flags
        case ["launch", *flags]:
            own = itertools.takewhile(lambda word: word != "--", flags)
            return "errorflow launch", LaunchConfig, [*own]
        case [command, *flags] if command in commands:
            return f"errorflow {command}", commands[command], flags
        case [task, verb, *flags] if task in TASKS:
            task = load_task(task)
            configs = {"train": task.config, "tune": tune_config(task.config)}
            configs["doctor"] = DoctorConfig
            configs |= {name: verb.config for name, verb in verbs_of(task).items()}
            return f"errorflow {task.name} {verb}", configs[verb], flags
    raise AssertionError(f"no such command: {words}")


def test_scripts_that_the_readmes_name_have_these_flags():
    commands = re.findall(r"python\s+(benchmarks/\w+\.py)([^`]*)`", READMES)
    assert commands
    for script, arguments in commands:
        source = (ROOT / script).read_text(encoding="utf-8")
        missing = [
            flag for flag in re.findall(r"--[a-z-]+", arguments) if f'"{flag}"' not in source
        ]
        assert not missing, script


@pytest.mark.parametrize(
    "script", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_scripts_import_names_that_exist(script):
    imports = [
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("errorflow")
    ]
    names = [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
    assert all(map(_resolves, names)), [name for name in names if not _resolves(name)]
