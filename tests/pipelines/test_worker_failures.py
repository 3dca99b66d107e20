"""Several workers: one dies, the others end, and --resume goes on as if nothing had happened."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from errorflow import pipelines
from errorflow.pipelines import cli
from errorflow.pipelines.core.cluster import Cluster
from errorflow.pipelines.core.errors import WORKER_LOST, UserError, WorkerLost
from errorflow.pipelines.core.rendezvous import meet
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.core.worker_failures import ended_together

SETTINGS = {"units": 4, "embedding": 4, "dropout": 0.0, "batch_size": 16, "epochs": 3, "jit": "off"}
FLAGS = [word for key, value in SETTINGS.items() for word in (f"--{key}".replace("_", "-"), value)]

WORKER = "import sys; from errorflow.pipelines.cli import main; sys.exit(main())"
DIES_IN_EPOCH_2 = f"""
import os, signal
from errorflow.pipelines.core.devices import load_tensorflow
load_tensorflow()
from errorflow.pipelines.training.step_end import StopAtStepEnd

def die(self, epoch, logs=None):
    if epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
StopAtStepEnd.on_epoch_begin = die
{WORKER}
"""


@pytest.fixture
def names(tmp_path, monkeypatch):
    """The current folder, with names of two languages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for label, ending in (("Finnish", "nen"), ("Polish", "ski")):
        lines = [f"{first}{second}{ending}" for first in "ABDEGHIK" for second in "aeiouy"]
        (tmp_path / "data" / f"{label}.txt").write_text("\n".join(lines))
    return tmp_path


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(index, ports, program, *flags):
    """Start a worker of a training of names."""
    addresses = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return subprocess.Popen(
        [sys.executable, "-c", program, "names", "train", *map(str, flags)],
        env=os.environ
        | {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complaints(stderr):
    return [line for line in stderr.splitlines() if line.startswith("errorflow: ")]


def lose_a_worker(folder):
    """Let a worker die in the second epoch; return the run, after the chief has ended."""
    flags = [*FLAGS, "--data-dir", "data", "--name", "a", "--strategy", "multi-worker"]
    ports = free_ports(2)
    dying = start(1, ports, DIES_IN_EPOCH_2, *flags)
    chief = start(0, ports, WORKER, *flags)
    error = chief.communicate(timeout=300)[1]
    assert dying.wait(10) == -signal.SIGKILL
    assert chief.returncode == WORKER_LOST
    (line,) = complaints(error)
    assert f"worker 1 (127.0.0.1:{ports[1]})" in line and "--resume" in line
    return RunFolder(folder / "runs" / "names" / "a")


@pytest.mark.timeout(600)
def test_a_worker_dies_and_the_chief_ends(names):
    run = lose_a_worker(names)
    assert run.status == "interrupted" and len(read_history(run)) == 1


@pytest.mark.slow  # a resume and two workers have tests of their own
@pytest.mark.timeout(600)
def test_a_resume_after_a_worker_has_died_gives_the_same_result(names):
    run = lose_a_worker(names)
    command = ["launch", "--workers", "2", "--", "names", "train", "--resume", "--name", "a"]
    resumed = subprocess.run(
        [sys.executable, "-c", WORKER, *command], check=False, capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("epoch 2/3") == 1  # the chief alone prints
    assert [*run.path.parent.iterdir()] == [run.path]
    alone = pipelines.train("names", data_dir="data", name="b", **SETTINGS)
    for ours, theirs in zip(read_history(run), read_history(alone.folder), strict=True):
        for figure in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert ours[figure] == pytest.approx(theirs[figure], abs=1e-6), figure
    assert run.results()["test"] == alone.results["test"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "errorflow launch takes a training behind --"),
        (["--", "names", "tune"], "errorflow launch takes a training behind --"),
        (
            ["--workers", "0", "--", "names", "train"],
            "--workers (key workers) must be from 1",
        ),
        (["--", "names", "train", "--epochs", "0"], "--epochs (key epochs) must be 1 or more"),
        (["--", "names", "train", "--print-config"], "--print-config starts no training"),
    ],
)
def test_launch_starts_nothing_after_a_mistake(arguments, said, capsys):
    assert cli.main(["launch", *arguments]) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert said in line


def test_launch_returns_the_exit_code_of_the_worker_that_fails(names, capfd):
    assert cli.main(["launch", "--", "names", "train", "--data-dir", "nowhere"]) == 2
    chief, other = sorted(complaints(capfd.readouterr().err))
    assert chief.startswith("errorflow: --data-dir nowhere: no such file or folder")
    assert other.startswith("errorflow: worker 1: --data-dir nowhere: no such file or folder")


# Waiting for each other


def meeting(*indices, seconds):
    """Let workers of a cluster of 3 meet; return what each of them raises."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(3))

    def raised(index):
        try:
            meet(Cluster(3, index, addresses), seconds)
        except UserError as error:
            return error

    with ThreadPoolExecutor(len(indices)) as pool:
        return addresses, [*pool.map(raised, indices)]


def test_workers_meet():
    assert meeting(2, 0, 1, seconds=60)[1] == [None, None, None]


def test_a_worker_that_does_not_start_is_named_by_all():
    addresses, errors = meeting(0, 1, seconds=1)
    assert all(type(error) is WorkerLost for error in errors)
    assert {*map(str, errors)} == {
        f"worker 2 ({addresses[2]}) did not start or reach worker 0 in 1 s"
    }


def test_a_worker_that_cannot_reach_the_chief_says_why():
    addresses, (error,) = meeting(1, seconds=0.2)
    assert f"worker 0 ({addresses[0]}) did not start or cannot be reached" in str(error)
    assert "Connection refused" in str(error)


def test_two_processes_must_not_be_the_same_worker():
    for error in meeting(0, 1, 1, seconds=60)[1]:
        assert "two processes are worker 1" in str(error)


# What TensorFlow 2.21 says when a worker is lost, shortened

LOST = {
    "<heartbeat>": "Collective ops is aborted by: Error reported from /job:worker/task:1: The"
    " following tasks are unhealthy (stopped sending heartbeats):\n/job:worker/replica:0/task:1\n"
    "The tasks have crashed.",
    "<connection>": "{{function_node __wrapped__CollectiveReduceV2_device_/job:worker/replica:0"
    "/task:0/device:CPU:0}} Collective ops is aborted by: Socket closed\nAdditional GRPC error"
    " information from remote target /job:worker/replica:0/task:2 while calling RecvBuf",
    "<service>": "Collective ops is aborted by: Deadline Exceeded\nRPC:"
    " /tensorflow.CoordinationService/Heartbeat",
    "<signal>": "Collective ops is aborted by: Error reported from /job:worker/task:2: <errorflow"
    " end>stopped by a signal</errorflow> The error could be from a previous operation.",
}


@pytest.mark.parametrize(
    ("index", "text", "said"),
    [
        (0, "<heartbeat>", "worker 1 (b:1) gave no sign of life for 20 s"),
        (0, "<connection>", "worker 2 (c:1) cannot be reached any more"),
        (1, "<service>", "worker 0 (a:1) cannot be reached any more"),
        (1, "<signal>", "worker 2 has ended (stopped by a signal)"),
    ],
)
def test_a_lost_worker_is_named(index, text, said):
    import tensorflow as tf

    with (
        pytest.raises(WorkerLost, match=re.escape(said)),
        ended_together(Cluster(3, index, ("a:1", "b:1", "c:1"))),
    ):
        raise tf.errors.UnavailableError(None, None, LOST[text])


def test_the_mistake_of_one_worker_is_that_of_all():
    import tensorflow as tf

    said = "from /job:worker/task:2: <errorflow mistake>nowhere: no such folder</errorflow>"
    with (
        pytest.raises(UserError, match=r"^worker 2: nowhere: no such folder$") as raised,
        ended_together(Cluster(3, 0, ("a:1", "b:1", "c:1"))),
    ):
        raise tf.errors.UnavailableError(None, None, said)
    assert not isinstance(raised.value, WorkerLost)
