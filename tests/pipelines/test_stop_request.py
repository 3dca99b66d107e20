"""Signals: the first one interrupts at a safe moment, the second one ends the process at once."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from errorflow.pipelines import cli
from errorflow.pipelines.core.stop_request import TWICE, check, deferred, listening, recovered

COMMAND = """
import signal, sys, time
from errorflow.pipelines import cli
from errorflow.pipelines.core.stop_request import check, deferred

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's "&"

def work(arguments):
    {work}

def ready():
    print("ready", flush=True)

cli.dispatch = work
sys.exit(cli.console([]))
"""
STEPS = "with deferred():\n        ready()\n        while True: time.sleep(0.01); check()"
STUCK = "with deferred():\n        ready(); time.sleep(60)"  # within TensorFlow, no signal is seen
GENERATES = f"""from tensorflow.python.autograph.pyct.loader import load_source
    load_source('', True)
    {STEPS}"""
LOST = "try: ready(); time.sleep(60)\n    except BaseException: raise ValueError('by TensorFlow')"


def start(work: str, *prefix: str) -> subprocess.Popen[str]:
    command = [*prefix, sys.executable, "-c", COMMAND.format(work=work)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout
    assert "ready" in process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("work", [STEPS, LOST])
def test_a_signal_ends_a_command_in_one_line(number, code, work):
    process = start(work)
    process.send_signal(number)
    process.send_signal(number)  # as `timeout` and a closing terminal do
    assert process.communicate(timeout=60)[1].strip() == "errorflow: interrupted"
    assert process.returncode == code


def test_a_signal_leaves_none_of_the_files_that_tensorflow_generates(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    process = start(GENERATES)
    assert [*tmp_path.glob("*.py")]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not [*tmp_path.iterdir()]


def test_more_signals_do_not_change_the_exit_code():
    process = start(STEPS)
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    assert process.stderr.readline() == "\n"  # it has begun to say that it was interrupted
    while process.poll() is None:
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 143


def test_a_second_signal_ends_a_command_that_does_not_see_the_first():
    process = start(STUCK)
    process.send_signal(signal.SIGINT)
    time.sleep(2 * TWICE)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].strip() == "errorflow: ended at once"
    assert process.returncode == 130


def test_a_signal_that_is_ignored_at_the_start_stays_ignored():
    process = start(STEPS, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(2 * TWICE)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


def test_handlers_are_set_during_a_command_only(monkeypatch):
    earlier = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    seen = []
    monkeypatch.setattr(cli, "dispatch", lambda _: seen.append(signal.getsignal(signal.SIGTERM)))
    cli.main([])
    assert seen[0] not in earlier
    thread = threading.Thread(target=cli.main, args=([],))
    thread.start()
    thread.join()
    assert seen[1] == earlier[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == earlier


def test_a_deferred_signal_interrupts_at_the_next_check_and_never_gets_lost():
    with listening() as stop:
        with pytest.raises(KeyboardInterrupt), deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                check()
        with pytest.raises(KeyboardInterrupt), recovered():
            raise OSError("the terminal was closed")
        assert stop.exit_code == 143
    check()
    with pytest.raises(OSError, match="closed"), recovered():
        raise OSError("the terminal was closed")
