"""The command `errorflow`: run a verb of a task, and report a user's mistake in one line."""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from .core.cluster import training_cluster
from .core.config import TrainingConfig
from .core.config_files import dump_config, load_config
from .core.console import complain, suggestion
from .core.errors import WORKER_LOST, UserError, WorkerLost, brief
from .core.flags import parse_flags
from .core.requirements import require_packages
from .core.run_config import run_config
from .core.run_folder import RunFolder
from .core.run_selection import run_to_resume
from .core.stop_request import end_with, leave, listening, recovered, stop_with_parent
from .core.system_errors import path_of, reason_of
from .registry import COMMANDS, all_tasks, is_task, load_task
from .training import verbs
from .training.task import Task, Verb

LONGEST = 200  # characters of a path in a message

TUNE_ABOUT = (
    "Search for better settings: train per trial, print a table of trials, keep the best model."
)
DOCTOR_ABOUT = "Try the remedies for what is wrong with a run, and say which one is proven to help."


def console(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of this process, which has to end with the returned exit code.

    If a signal ends the command, it ends the process here: later signals find no process.
    """
    return main(arguments, ends_process=True)


def main(arguments: Sequence[str] | None = None, *, ends_process: bool = False) -> int:
    """Run a command line; return the exit code.

    0; 2 for a mistake; 3 if `predict` could not answer every input; 75 if another worker of the
    training is lost; 130, 143 or 129 if Ctrl-C, SIGTERM or SIGHUP has ended it.
    """
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without δ shows ? in its place
    with listening() as stop:
        stop_with_parent()
        try:
            code = _exit_code(list(sys.argv[1:] if arguments is None else arguments))
        except KeyboardInterrupt as interrupt:
            _say_interrupted(str(interrupt) or "interrupted")
            if ends_process:
                end_with(stop.exit_code)  # while further signals are still handled
            return stop.exit_code
    if ends_process and "tensorflow" in sys.modules:
        leave(code)
    return code


def _exit_code(arguments: list[str]) -> int:
    try:
        with recovered():
            code = dispatch(arguments)
            sys.stdout.flush()
    except WorkerLost as error:
        complain(str(error))
        end_with(WORKER_LOST)
    except UserError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        _discard(sys.stdout)
        return 141
    except OSError as error:
        complain(_refused(error))
        return 2
    except MemoryError:
        complain("there is not enough memory for this")
        return 2
    return code


def _say_interrupted(reason: str) -> None:
    """Print why the command ends; a terminal that was closed refuses it."""
    try:
        print(file=sys.stderr)
        complain(reason)
        sys.stdout.flush()
    except OSError:
        for stream in (sys.stdout, sys.stderr):
            _discard(stream)


def _open_missing_streams() -> None:
    """Give a process that was started without stdout or stderr, as by `>&-`, one that is lost."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _discard(stream: TextIO) -> None:
    """Discard what Python would write to a stream at exit, and report if it failed."""
    with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation of a captured stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refused(error: OSError) -> str:
    """Return what the system has refused, in one line."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)
    reason, path = reason_of(error) or str(error), path_of(error)
    if path is None:
        return f"{reason}, where the output or a temporary file goes"
    return f"{brief(str(path), LONGEST)}: {reason}"


def dispatch(arguments: list[str]) -> int:
    """Run the task or command that the first argument names; return the exit code."""
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(usage())
        case ["--version", *_]:
            from .core.devices import version

            print(f"errorflow {version()}")
        case [command, *rest] if command in COMMANDS:
            return _COMMANDS[command](rest) or 0
        case [task, *rest] if is_task(task):
            return run_task(load_task(task), rest)
        case [word, *_]:
            raise UserError(f"no task {word!r}{suggestion(word, [*all_tasks(), *COMMANDS])}")
    return 0


# Tasks


def run_task(task: Task, arguments: list[str]) -> int:
    """Run a verb of a task, or print the list of its verbs; return the exit code."""
    shared = verbs.verbs_of(task)
    about = {"train": task.train_about, "evaluate": "", "tune": TUNE_ABOUT, "doctor": DOCTOR_ABOUT}
    about |= {name: verb.about for name, verb in shared.items()}
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(task_usage(task.name, about))
        case ["train", *flags]:
            train(task, flags)
        case ["tune", *flags]:
            tune(task, flags)
        case ["doctor", *flags]:
            from .treatment.command import command

            command(task, flags, DOCTOR_ABOUT)
        case [name, *flags] if name in shared:
            return run_verb(task, shared[name], flags)
        case [word, *_]:
            raise UserError(f"{task.name} has no {word!r}{suggestion(word, about)}")
    return 0


def run_verb(task: Task, verb: Verb, flags: Sequence[str]) -> int:
    """Parse the flags of a verb, and run it; return the exit code."""
    prog = f"errorflow {task.name} {verb.name}"
    config = parse_flags(verb.config, flags, prog, describe=verb.about)
    config.check()
    return verb.run(config) or 0


def train(task: Task, flags: Sequence[str]) -> None:
    """Train a network with the settings of the flags."""
    config, resume = training_config(task, flags)
    if config.run.print_config:
        print(dump_config(config), end="")
        return
    if config.run.seeds is not None:
        from .search.seeds import train_seeds

        train_seeds(task, config)
        return
    verbs.train(task, config, resume)


def training_config(task: Task, flags: Sequence[str]) -> tuple[TrainingConfig, RunFolder | None]:
    """Return the settings of a training, and the run to resume, if this process has one.

    Precedence: default < file < flags. The file is that of --config or, with --resume, the
    config.yaml of the run.
    """
    prog = f"errorflow {task.name} train"
    config = parse_flags(task.config, flags, prog, describe=task.train_about)
    config.resolved().check()
    call, resume = config.run, None
    if call.resume and training_cluster(config.hardware.strategy).is_chief:
        resume = run_to_resume(call.run_dir, task.name, call.name)
    stored = None if resume is None else run_config(task.config, resume)
    if call.config is not None:
        stored = load_config(task.config, call.config)
    if stored is not None:
        config = parse_flags(task.config, flags, prog, stored)
    config = config.resolved()
    config.check()
    return config, resume


def tune(task: Task, flags: Sequence[str]) -> None:
    """Search the task's space with the settings of the flags."""
    from .search import tune as search
    from .search.config import tune_config

    prog = f"errorflow {task.name} tune"
    cls = tune_config(task.config)
    config = parse_flags(cls, flags, prog, describe=TUNE_ABOUT)
    config.check()
    if config.run.config is not None:
        config = parse_flags(cls, flags, prog, load_config(cls, config.run.config))
        config.check()
    if config.run.print_config:
        print(dump_config(config), end="")
        return
    search.tune(task, config)


# Commands


def _runs(arguments: list[str]) -> None:
    from .commands.runs import command

    command(arguments)


def _report(arguments: list[str]) -> None:
    from .commands.report import command

    require_packages("report", ["jinja2"])
    command(arguments)


def _zoo(arguments: list[str]) -> None:
    from .commands.zoo import command

    command(arguments)


def _launch(arguments: list[str]) -> int:
    from .commands.launch import command

    return command(arguments)


def _tensorboard(arguments: list[str]) -> None:
    from .commands.tensorboard import command

    command(arguments)


_COMMANDS: Mapping[str, Callable[[list[str]], int | None]] = {
    "runs": _runs,
    "report": _report,
    "launch": _launch,
    "zoo": _zoo,
    "tensorboard": _tensorboard,
}


# Help


def usage() -> str:
    """Return the help text of `errorflow`."""
    return "\n".join(
        [
            "usage: errorflow TASK VERB [FLAGS]",
            "       errorflow TASK VERB --help      the flags",
            "       errorflow --version",
            "",
            "tasks:",
            *_columns(all_tasks()),
            "",
            "commands:",
            *_columns(COMMANDS),
        ]
    )


def task_usage(task: str, about: Mapping[str, str]) -> str:
    """Return the help text of a task."""
    return "\n".join([f"usage: errorflow {task} VERB [FLAGS]", "", "verbs:", *_columns(about)])


def _columns(rows: Mapping[str, str]) -> list[str]:
    return [f"  {name:<12} {text}" for name, text in rows.items()]


if __name__ == "__main__":
    raise SystemExit(console())
