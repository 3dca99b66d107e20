"""What the command line `errorflow` does: a verb of a task, a command, or a help text."""

from collections.abc import Mapping, Sequence

from .core.cluster import training_cluster
from .core.config import TrainingConfig
from .core.config_files import dump_config, load_config
from .core.console import suggestion
from .core.errors import UserError
from .core.flags import parse_flags, settings_in
from .core.run_config import run_config
from .core.run_folder import RunFolder
from .core.run_selection import run_to_resume
from .registry import COMMANDS, all_tasks, is_task, load_task
from .training import verbs
from .training.task import Task, Verb

TUNE_ABOUT = (
    "Search for better settings: train per trial, print a table of trials, keep the best model."
)
DOCTOR_ABOUT = "Try the remedies for what is wrong with a run, and say which one is proven to help."


def dispatch(arguments: list[str]) -> int:
    """Run the task or command that the first argument names; return the exit code."""
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(usage())
        case ["--version", *_]:
            from .core.devices import version

            print(f"errorflow {version()}")
        case [command, *rest] if command in COMMANDS:
            return run_command(command, rest)
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
    search.tune(task, config, settings_in(cls, flags))


# Commands


def run_command(name: str, arguments: list[str]) -> int:
    """Run one of `COMMANDS`, whose module is imported only now; return the exit code."""
    match name:
        case "runs":
            from .commands.runs import command

            command(arguments)
        case "report":
            from .commands.report import command

            command(arguments)
        case "zoo":
            from .commands.zoo import command

            command(arguments)
        case "tensorboard":
            from .commands.tensorboard import command

            command(arguments)
        case "launch":
            from .commands.launch import command

            return command(arguments)
    return 0


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
