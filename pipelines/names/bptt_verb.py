"""The verb `bptt` of names."""

import dataclasses
from typing import Annotated

import tyro

from ..core.console import say
from ..core.errors import UserError
from ..training.task import RunVerbConfig, Task
from ..training.verbs import config_of, use_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class BpttConfig(RunVerbConfig):
    """Which run, and for which text."""

    text: Annotated[str, tyro.conf.Positional] = ""
    """Name whose error is backpropagated."""
    label: str | None = None
    """Label of the name (default: the predicted label)."""
    layer: str = "rnn_1"
    """Recurrent layer whose error is shown."""
    cut: int | None = None
    """Also cut the error that this layer carries back to a character, counted from 1, and show what
    each gradient, and the next loss, lose by it."""

    def check(self) -> None:
        super().check()
        if not self.text.strip():
            raise UserError("errorflow names bptt takes a name: errorflow names bptt NAME")


def show_bptt(task: Task, config: BpttConfig) -> None:
    """Print the error at each character of a name, and plot it for every loss step."""
    run = use_run(config.run, task.name)
    from .bptt import show

    lines = show(run, config_of(task, run), config.text, config.label, config.layer, cut=config.cut)
    for line in lines:
        say(line)
