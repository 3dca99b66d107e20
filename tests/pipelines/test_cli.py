"""The command line: quick answers, one line per mistake, the right exit code."""

import json
import os
import subprocess
import sys

import pytest
from errorflow.pipelines import cli


def errorflow(
    *arguments: str, module: str = "errorflow.pipelines.cli"
) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["names", "--help"],
        ["names", "train", "--help"],
        ["names", "train", "--print-config"],
        ["names", "train", "--epoch", "3"],
        ["names", "predict", "Nowak"],
    ],
)
def test_answers_without_tensorflow(arguments):
    watch = (
        "import sys; from errorflow.pipelines.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'tensorflow', 'keras', 'numpy', 'rich'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", watch, *arguments], capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines()[-1] == "HEAVY []"


WITH_DATA = (
    "actions",
    "captions",
    "documents",
    "images",
    "names",
    "pronounce",
    "series",
    "stories",
    "tags",
)
EARLY = [
    *((f"{task} train --data-dir nowhere", "nowhere") for task in WITH_DATA),
    ("documents train", "--data-dir"),
    ("documents train --data-dir good.csv --text-column body", "body"),
    ("names train --data-dir good.csv --label-column kind", "kind"),
    ("pronounce train --data-dir good.csv --source-column body", "body"),
    ("tags train --data-dir good.csv --token-column word", "word"),
    ("images train --data-dir good.csv --image-column photo", "photo"),
    ("captions train --data-dir good.csv --image-column photo", "photo"),
    ("documents train --data-dir one.csv", "one.csv"),
    ("names train --data-dir one.csv", "one.csv"),
    ("names tune --data-dir one.csv", "one.csv"),
    ("images train --data-dir empty", "empty"),
    ("actions train --data-dir empty", "empty"),
    ("images train --data-dir=", "--data-dir: an empty path"),
    ("images train --weights ~nobody-here/x", "no valid path"),
    ("names train --run-dir good.csv", "good.csv is no folder"),
    ("names train --name taken", "taken exists"),
]


def test_data_that_cannot_be_used_are_refused_without_tensorflow(tmp_path):
    """One process for all, as each would need a second to start."""
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(12)]
    (tmp_path / "good.csv").write_text("\n".join(["text,label", *rows]))
    (tmp_path / "one.csv").write_text("\n".join(["text,label", *(row[:-1] + "a" for row in rows)]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "runs/names/taken").mkdir(parents=True)
    (tmp_path / "runs/names/taken/notes.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    watch = (
        "import json, sys; from errorflow.pipelines.cli import main\n"
        "for line in json.load(sys.stdin):\n"
        "    code = main(line.split())\n"
        "    print(json.dumps([code, 'tensorflow' in sys.modules]), file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", watch],
        input=json.dumps([line for line, _ in EARLY]),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = process.stderr.split("[2, false]\n")
    assert answers.pop() == ""
    for (line, place), answer in zip(EARLY, answers, strict=True):
        mistakes = [row for row in answer.splitlines() if row.startswith("errorflow: ")]
        assert len(mistakes) == 1 and place in mistakes[0], (line, answer)
    assert process.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_help_imports_no_slow_module():
    """Start-up times differ between machines; the imported modules do not."""
    arguments = ("-X", "importtime", "-m", "errorflow.pipelines.cli", "names", "train", "--help")
    process = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True
    )
    assert process.stdout.startswith("usage: errorflow names train")
    imported = {
        line.rpartition("|")[2].strip().split(".")[0] for line in process.stderr.splitlines()
    }
    assert "tyro" in imported
    assert not imported & {"numpy", "matplotlib", "tensorflow", "keras", "sklearn", "scipy"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nams train", "no task 'nams'; did you mean 'names'?"),
        ("names trian", "names has no 'trian'; did you mean 'train'?"),
        ("names train --epochs x", "--epochs takes INT"),
        ("names train --units 0", "--units (key units) must be 1 or more"),
        ("names train --config no.yaml", "cannot read config file no.yaml"),
        ("names train --resume", "no interrupted run in runs/names"),
        ("names evaluate", "no finished run in runs/names"),
        ("names evaluate --name x", "no run runs/names/x"),
        ("names export --format pickle", "--format takes keras, saved_model, onnx"),
        ("names bptt", "names bptt takes a name"),
        ("runs", "no runs in runs"),
        ("runs compare a b", "no runs in runs"),
        ("runs findings", "which run?"),
        ("runs findings a", "no runs in runs"),
        ("runs --task name", "--task 'name': no such task; did you mean 'names'?"),
        ("runs --task /", "--task '/': no such task"),
        pytest.param(f"runs --run-dir {'x' * 256}", "File name too long", id="long run_dir"),
        pytest.param(f"names predict --run {'x' * 256} x", "File name too long", id="long run"),
        pytest.param(f"names tune --directory {'x' * 256}", "File name", id="long directory"),
        pytest.param(f"names train --name {'x' * 256}", "200 bytes or fewer", id="long name"),
        ("tensorboard", "--run-dir runs: no such folder"),
        ("tensorboard --port 99999", "--port"),
        ("tensorboard --run-dr x", "Unrecognized options: --run-dr"),
        ("tensorboard --logdir x", "takes the folder as --run-dir"),
        ("tensorboard --run-dir . --reload-interval x", "--reload_interval: invalid float: 'x'"),
        ("tensorboard --run-dir . --path_prefix tb", "must start with slash"),
    ],
)
def test_a_mistake_is_one_line_and_code_2_and_leaves_nothing(line, message, capsys, tmp_path):
    assert cli.main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("errorflow: ")
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_the_module_is_the_same_command(tmp_path):
    by_module = errorflow("train", "--print-config", module="errorflow.pipelines.names")
    by_command = errorflow("names", "train", "--print-config")
    assert by_module.stdout == by_command.stdout != ""
    assert not any(tmp_path.iterdir())


def test_printed_config_can_be_read_as_a_config_file(tmp_path):
    first = errorflow("names", "train", "--units", "7", "--jit", "on", "--print-config").stdout
    (tmp_path / "c.yaml").write_text(first)
    assert errorflow("names", "train", "--config", "c.yaml", "--print-config").stdout == first


def test_a_mistake_on_a_colour_terminal_is_one_plain_line_too(tmp_path):
    pty = pytest.importorskip("pty")
    command = [sys.executable, "-m", "errorflow.pipelines.cli", "names", "train", "--epochs", "x"]
    main, terminal = pty.openpty()
    process = subprocess.run(
        command, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(terminal)
    os.close(main)
    expected = "errorflow: --epochs takes INT, not 'x'; see errorflow names train --help\n"
    assert (process.stderr, process.returncode) == (expected, 2)


@pytest.mark.parametrize(
    "command", ["runs", "runs compare", "runs findings", "report", "zoo", "tensorboard"]
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*command.split(), "--help"])
    usage, _, about, *_ = capsys.readouterr().out.splitlines()
    assert (usage.startswith(f"usage: errorflow {command} "), stop.value.code) == (True, 0)
    assert about.endswith(".")


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("errorflow ")


def test_ctrl_c_names_the_command_to_resume_and_exits_with_130(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt("interrupted after epoch 3; go on with: ...")

    monkeypatch.setattr(cli, "dispatch", interrupted)
    assert cli.main([]) == 130
    assert "go on with" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m errorflow.pipelines.cli names train --help | head -1"
    process = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert process.stdout.startswith("usage: ")
    assert process.stderr == ""
