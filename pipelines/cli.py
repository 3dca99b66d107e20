"""The command `errorflow`: finds the task and the verb, and turns every mistake into one line."""

import difflib
import importlib
import os
import sys
import typing
from collections.abc import Callable, Iterable, Sequence

from .core.config import CommonConfig, UserError
from .core.config_files import dump_config, parse_flags, read_config

# One line per task: a module of this package with a table VERBS = {"train": train, ...}.
TASKS = {
    "names": "tell the language of a surname, or the label of any short text",
    "tags": "tell the part of speech of each word of a sentence",
    "pronounce": "say how a word is spoken, or translate: any sequence into another",
    "documents": "tell the label of a text of many words: its topic, tone, kind",
    "actions": "tell what is done in a clip, as a whole and frame by frame",
    "captions": "say in a sentence what an image shows",
    "stories": "tell in sentences what happens from image to image",
    "lags": "watch an error vanish, or not: the long-lag problems of the LSTM's first paper",
    "images": "tell what an image shows, by any network from LeNet-5 to ResNet-152",
}
COMMANDS = {
    "runs": "list runs, or compare some: errorflow runs compare A B ...",
    "report": "write one HTML file about runs, to send to a colleague: errorflow report A B ...",
    "zoo": "the image models: parameters, multiply-adds, depth, published errors",
    "tensorboard": "open TensorBoard on the runs, for this machine alone",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit code: 0, 2 for a mistake, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without δ shows ? in its place
    try:
        dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except UserError as error:
        print(f"errorflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(
            f"\nerrorflow: {interrupt.args[0] if interrupt.args else 'interrupted'}",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # the reader, say `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def dispatch(arguments: list[str]) -> None:
    """Runs the command that the first words name."""
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(usage())
        case ["--version", *_]:
            from .core.devices import version

            print(f"errorflow {version()}")
        case ["runs", *rest]:
            from .commands import runs as run_tables

            run_tables.command(rest)
        case ["report", *rest]:
            from .commands import report

            report.command(rest)
        case ["zoo", *rest]:
            show_zoo(rest)
        case ["tensorboard", *rest]:
            from .commands import tensorboard

            tensorboard.command(rest)
        case [task, *rest] if task in TASKS:
            run_task(task, rest)
        case [word, *_]:
            raise UserError(f"no task {word!r}{_closest(word, [*TASKS, *COMMANDS])}")


def run_task(task: str, arguments: list[str]) -> None:
    """Runs a verb of a task, or tells the verbs."""
    verbs = importlib.import_module(f".{task}", __package__).VERBS
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(task_usage(task, verbs))
        case [verb, *flags] if verb in verbs:
            run_verb(task, verb, verbs[verb], flags)
        case [word, *_]:
            raise UserError(f"{task} has no {word!r}{_closest(word, verbs)}")


def run_verb(task: str, name: str, verb: Callable, flags: list[str]) -> None:
    """Fills the verb's config, which is what its one parameter says, and calls it."""
    prog = f"errorflow {task} {name}"
    cls = typing.get_type_hints(verb)["config"]
    if not issubclass(cls, CommonConfig):
        config = parse_flags(cls, flags, prog, describe=verb.__doc__)
        config.check()
        return verb(config)
    config = read_config(cls, flags, prog, task, describe=verb.__doc__)
    if config.print_config:
        print(dump_config(config), end="")
        return None
    return verb(config)


def show_zoo(rest: Sequence[str]) -> None:
    """Prints the tables of the image models and of the contest they were made for."""
    if rest:
        raise UserError("errorflow zoo takes no arguments")
    from .commands.runs import print_table
    from .models import zoo

    for title, head, rows in zoo.tables():
        print(f"\n{title}\n")
        print_table(head, rows)


def usage() -> str:
    """The help of the whole command."""
    return "\n".join(
        [
            "usage: errorflow TASK VERB [FLAGS]",
            "       errorflow TASK VERB --help      the flags",
            "       errorflow --version",
            "",
            "tasks:",
            *_columns(TASKS),
            "",
            "commands:",
            *_columns(COMMANDS),
        ]
    )


def task_usage(task: str, verbs: dict[str, Callable]) -> str:
    """The help of one task."""
    about = {name: (verb.__doc__ or "").strip().splitlines()[0] for name, verb in verbs.items()}
    return "\n".join([f"usage: errorflow {task} VERB [FLAGS]", "", "verbs:", *_columns(about)])


def _columns(rows: dict[str, str]) -> list[str]:
    return [f"  {name:<12} {text}" for name, text in rows.items()]


def _closest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"


if __name__ == "__main__":
    raise SystemExit(main())
