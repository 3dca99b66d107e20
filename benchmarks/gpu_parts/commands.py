"""Start, kill and await commands of errorflow."""

import subprocess
import sys
import time


def start(form, *words):
    """Start a command in the folder of a part."""
    command = [sys.executable, "-m", "errorflow.pipelines", *map(str, words)]
    return subprocess.Popen(command, cwd=form.folder)


def finish(form, *words):
    """Run a command to its end.

    Raises:
        RuntimeError: its exit code is not 0, or there is no time left.
    """
    process = start(form, *words)
    try:
        code = process.wait(max(form.seconds_left - 2, 1))
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no time left to finish errorflow {words[0]} {words[1]}") from None
    finally:
        process.kill()
    if code:
        raise RuntimeError(f"errorflow {words[0]} {words[1]}: exit code {code}")


def kill_when(form, process, is_time):
    """Kill a process as soon as `is_time()` is true.

    Raises:
        RuntimeError: it ended before, or there is no time left.
    """
    try:
        while not is_time():
            if process.poll() is not None:
                raise RuntimeError(f"it ended before it was killed, exit code {process.returncode}")
            if form.seconds_left < 1:
                raise RuntimeError("no time left before it could be killed")
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
