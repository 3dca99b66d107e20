"""The verb `doctor` of the command line, the same for every task."""

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.flags import parse_flags
from ..training.task import Task
from .config import DoctorConfig

if TYPE_CHECKING:
    from ...callbacks.treatment.answer import Answer


def command(task: Task, flags: Sequence[str], about: str) -> None:
    """Treat the run that the flags choose; print the answer.

    Args:
        about: the text above the flags in `--help`.
    """
    config = parse_flags(DoctorConfig, flags, f"errorflow {task.name} doctor", describe=about)
    config.check()
    if not config.json:
        treat_and_apply(task, config)
        return
    with contextlib.redirect_stdout(sys.stderr):
        answer = treat_and_apply(task, config)
    print(json.dumps(answer.as_json(), indent=2, ensure_ascii=False))


def treat_and_apply(task: Task, config: DoctorConfig) -> "Answer":
    """Treat a run, print the answer and, with --apply, train the best cure in full."""
    from .best import train_best
    from .doctor import treat
    from .printed import print_answer

    plan, answer = treat(task, config)
    print_answer(plan, answer)
    if config.apply:
        train_best(plan, answer)
    return answer
