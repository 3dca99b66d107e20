"""`pip install errorflow` is light: what it leaves out is named in one line by what needs it."""

import os
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
import venv

import pytest
from errorflow.pipelines.core.requirements import EXTRAS, PIPELINES, require_packages
from packaging.requirements import Requirement
from wheel import ROOT, build_wheel

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALL = "pip install 'errorflow[pipelines]'"
# A module that is None in sys.modules is one that Python does not find.
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({modules!r}))
from errorflow.pipelines.cli import main
"""


def without_pipelines(code, *more, cwd=None):
    """Run code in a Python without the packages of [pipelines] and other modules; its lines."""
    modules = [*EXTRAS["pipelines"].values(), *more]
    command = [sys.executable, "-c", WITHOUT.format(modules=modules) + code]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), done.stderr.splitlines()


def names_of(requirements):
    return {Requirement(text).name for text in requirements}


# What is installed


@pytest.mark.parametrize("extra", EXTRAS)
def test_messages_know_the_packages_of_an_extra(extra):
    assert names_of(PROJECT["optional-dependencies"][extra]) == {*EXTRAS[extra]}


def test_packages_of_pipelines_are_not_installed_without_it():
    assert not names_of(PROJECT["dependencies"]) & {*PIPELINES}


# What is said


def test_a_command_names_the_packages_that_it_needs(tmp_path):
    code = f"""
for line in ("names train", "lags table", "launch --workers 2 -- names train", "report"):
    print(main(line.split()))
from errorflow import pipelines
try: pipelines.train("names", run_dir={str(tmp_path)!r})
except pipelines.UserError as error: print(error)
"""
    (*codes, sentence), errors = without_pipelines(code, "tensorflow", cwd=tmp_path)
    assert codes == ["2"] * 4
    names, lags, launch, report = errors
    several = "packages that are not installed (keras-tuner, tensorflow-datasets,"
    for line, task in ((names, "names"), (lags, "lags"), (launch, "names")):
        assert line.startswith(f"errorflow: the task {task} needs {several}")
        assert line.endswith(f" and 7 others): {INSTALL}")
    assert names == f"errorflow: {sentence}"
    package = "the package jinja2, which is not installed"
    assert report == f"errorflow: report needs {package}: {INSTALL}"
    assert [*tmp_path.iterdir()] == []


def test_what_needs_no_pipelines_works_without_them(tmp_path):
    code = """
for line in ("--help", "--version", "tensorboard --help", "runs --help", "launch --help", "zoo"):
    try: code = main(line.split())
    except SystemExit as end: code = end.code
    print("exit code:", code)
"""
    lines, errors = without_pipelines(code, "tensorflow", cwd=tmp_path)
    assert [line for line in lines if line.startswith("exit code:")] == ["exit code: 0"] * 6
    assert errors == []


def test_two_missing_packages_of_two_extras(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        Exception, match=r"^that needs packages .* \(jiwer and sacrebleu\): pip"
    ) as e:
        require_packages("that", ["jiwer", "sacrebleu"], ", or not")
    assert str(e.value).endswith("pip install 'errorflow[speech,text]', or not")


# In a clean environment, from the wheel


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A folder with an environment `venv` in which nothing but the wheel is installed."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=True)
    wheel = shutil.copy(build_wheel(tmp_path_factory.mktemp("wheel")), folder)
    run_in(folder, "python", "-m", "pip", "install", "-q", wheel)
    return folder


def run_in(folder, program, *arguments):
    """Run a program of the environment, away from the source; return what it prints."""
    done = subprocess.run(
        [folder / "venv" / "bin" / program, *arguments],
        **{"cwd": folder, "env": environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment():
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


OWN_MODEL = """
import keras, numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import watch

model = keras.Sequential([keras.Input((9, 3)), keras.layers.LSTM(4), keras.layers.Dense(1)])
model.compile("adam", "mse")
model, flow = watch(model), ErrorFlow(log_dir="logs")
model.fit(np.ones([64, 9, 3]), np.ones([64, 1]), verbose=0, callbacks=[flow])
flow.plot().savefig("error_flow.png")
print(flow.history["lstm"]["hidden"].shape)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_wheel_in_a_clean_environment(clean):
    assert "No broken requirements" in run_in(clean, "python", "-m", "pip", "check")
    assert run_in(clean, "python", "-c", OWN_MODEL).split() == ["(2,", "9)"]
    assert (clean / "error_flow.png").stat().st_size > 10_000
    assert run_in(clean, "errorflow", "--version") == f"errorflow {PROJECT['version']}\n"
    assert "tensorboard" in run_in(clean, "errorflow", "--help")
    assert "ResNet" in run_in(clean, "errorflow", "zoo")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tab_in_a_clean_environment(clean):
    (clean / "logs").mkdir(exist_ok=True)
    command = [clean / "venv" / "bin" / "errorflow", "tensorboard", "--run-dir", "logs"]
    server = subprocess.Popen(
        [*command, "--port", "0"],
        **{"cwd": clean, "env": environment(), "text": True},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        line = next(line for line in server.stdout if "http://" in line)
        address = line.split("http://")[1].split("/")[0]
        assert "errorflow" in _answer(f"http://{address}/data/plugins_listing")
        assert "import" in _answer(f"http://{address}/data/plugin/errorflow/index.js")
        assert _answer(f"http://{address}/data/plugin/errorflow/runs")
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_example_package_in_a_clean_environment(clean):
    example = shutil.copytree(ROOT / "docs" / "examples" / "errorflow_example", clean / "example")
    (wheel,) = clean.glob("*.whl")
    requirements = (f"{wheel}[pipelines]", example, "pytest")
    run_in(clean, "python", "-m", "pip", "install", "-q", *requirements)
    assert "No broken requirements" in run_in(clean, "python", "-m", "pip", "check")
    assert "Reber grammar" in run_in(clean, "errorflow", "--help")
    run_in(clean, "errorflow", "reber", "train", "--epochs", "1", "--limit", "500")
    assert "btxse" in run_in(clean, "errorflow", "reber", "predict", "btxse")
    assert " passed" in run_in(clean, "python", "-m", "pytest", "-q", example)


def _answer(address):
    for _ in range(60):  # seconds in which the server begins to answer
        try:
            with urllib.request.urlopen(address) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(1)
    raise AssertionError(f"no answer from {address}")
