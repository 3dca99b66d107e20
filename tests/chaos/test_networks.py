"""A search over two network namespaces, as over two machines: no trial is lost, none repeated.

It needs root: it lays a cable between two namespaces of this machine, and pulls it out.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.searches import rows_of, write_space
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from tasks import train_flags

EPOCHS, UNITS = 40, (4, 5, 6)
ADDRESSES = ("10.213.0.1", "10.213.0.2")  # exist in the namespaces only
CHIEF = f"{ADDRESSES[0]}:8000"
CUT = 60  # seconds
HANGS = 900
SEARCH = (
    *("--chief", CHIEF, "--space", "space.yaml", "--oracle", "grid", "--data-dir", "data"),
    *("--epochs", str(EPOCHS), "--patience", "0", "--jit", "off", "--device", "cpu"),
)
WORKER = ("--worker-of", CHIEF, "--device", "cpu")
COMMAND = "import sys; from errorflow.pipelines.cli import main; sys.exit(main(sys.argv[1:]))"


def ip(*arguments: str) -> None:
    """Run the command `ip`."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Machine:
    """A network namespace.

    Args:
        name: its name, which its end of the cable has too.
        address: its IP address.
        folder: the folder that all machines share.
    """

    def __init__(self, name: str, address: str, folder: Path):
        self.name, self.folder, self.started = name, folder, []
        ip("netns", "add", name)
        ip("link", "set", name, "netns", name)
        ip("-n", name, "address", "add", f"{address}/24", "dev", name)
        self.set_cable("up")

    def set_cable(self, state: str) -> None:
        """Plug in (up) or pull out (down) the cable; the other machine sees silence."""
        ip("-n", self.name, "link", "set", self.name, state)

    def tune(self, *flags: str) -> "Command":
        """Start `errorflow names tune`."""
        command = Command(self, *flags)
        self.started.append(command)
        return command


class Command:
    """A running `errorflow names tune` of a machine."""

    def __init__(self, machine: Machine, *flags: str):
        number = len([*machine.folder.glob("*.printed")])
        self.file = machine.folder / f"{machine.name}-{number}.printed"
        line = ["ip", "netns", "exec", machine.name, sys.executable, "-c", COMMAND, "names", "tune"]
        with self.file.open("w") as file:
            self.process = subprocess.Popen(
                [*line, *flags], cwd=machine.folder, stdout=file, stderr=file
            )

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.file.read_text()

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text."""
        wait_until(lambda: text in self.printed, f"{text!r} in {self.printed}")


@pytest.fixture
def machines(tmp_path) -> Iterator[tuple[Machine, Machine]]:
    """Two machines with a cable between them, and a shared folder with names and a space."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    write_space(tmp_path / "space.yaml", UNITS)
    train_flags("names", tmp_path)  # writes the names
    names, started = [f"ef{end}{os.getpid()}" for end in "ab"], []
    try:
        ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
        started = [
            Machine(name, address, tmp_path) for name, address in zip(names, ADDRESSES, strict=True)
        ]
        yield started[0], started[1]
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    finally:
        for command in [command for machine in started for command in machine.started]:
            command.process.kill()
            command.process.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + HANGS
    while not is_so():
        assert time.monotonic() < end, f"not within {HANGS} s: {what}"
        time.sleep(0.1)


def wait_for_training(machine: Machine, trial: int) -> None:
    """Wait until a trial has finished an epoch."""
    run = RunFolder(machine.folder / f"searches/names/trial_000{trial}/run")
    wait_until(run.history_file.exists, f"{run.history_file}")


def check_search(machine: Machine, *commands: Command) -> None:
    """Check that commands end well, and that each trial was trained once, from begin to end."""
    for command in commands:
        assert command.process.wait(HANGS) == 0, command.printed
        assert "Traceback" not in command.printed
    project = machine.folder / "searches/names"
    rows = rows_of(project)
    assert sorted((row["units"], row["status"], row["epochs"]) for row in rows) == [
        (str(units), "completed", str(EPOCHS)) for units in UNITS
    ]
    assert sorted(row["trial"] for row in rows) == ["0000", "0001", "0002"]
    for row in rows:
        history = read_history(RunFolder(project / f"trial_{row['trial']}/run"))
        assert [epoch["epoch"] for epoch in history] == [*range(1, EPOCHS + 1)]


def test_a_cable_is_pulled_out_for_a_minute(machines: tuple[Machine, Machine], summary):
    here, there = machines
    chief, worker = here.tune(*SEARCH), there.tune(*WORKER)
    wait_for_training(here, trial=1)
    here.set_cable("down")
    time.sleep(CUT)
    here.set_cable("up")
    began = time.monotonic()
    worker.wait_for("answers again")
    seconds = time.monotonic() - began
    check_search(here, chief, worker)
    assert worker.printed.count("does not answer") == worker.printed.count("answers again") == 1
    assert chief.printed.count("trial 0001: no call from its worker for 45 s; queued again") == 1
    summary(
        f"tune: network cut for {CUT} s; the worker went on {seconds:.0f} s after it was healed"
    )


def test_a_worker_is_killed(machines: tuple[Machine, Machine], summary):
    here, there = machines
    chief, worker = here.tune(*SEARCH), there.tune(*WORKER)
    wait_for_training(here, trial=1)
    worker.process.kill()
    began = time.monotonic()
    chief.wait_for("trial 0001: no call from its worker for 45 s; queued again")
    seconds = time.monotonic() - began
    check_search(here, chief, there.tune(*WORKER))
    summary(f"tune: worker killed; its trial was given to another one after {seconds:.0f} s")


@pytest.mark.parametrize("is_long", [False, True], ids=["at once", "later"])
def test_a_chief_is_killed_and_started_again(machines: tuple[Machine, Machine], is_long, summary):
    here, there = machines
    chief, worker = here.tune(*SEARCH), there.tune(*WORKER)
    wait_for_training(here, trial=1)
    chief.process.kill()
    if is_long:
        worker.wait_for("does not answer")
    again = here.tune(*SEARCH)
    check_search(here, again, worker)
    assert "resuming after 1 finished trials" in again.printed
    summary(f"tune: chief killed and started again {'later' if is_long else 'at once'}")
