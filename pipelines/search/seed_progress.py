"""What `train --seeds` prints: a line about each training and, at the end, what they show."""

import math
import statistics
import time

from ..core.console import duration_in_words, note, print_table, say
from ..core.recorded_findings import findings_in
from ..core.run_folder import RunFolder
from ..core.run_group import RunGroup, rows_of, seeds_in_words
from ..core.run_results import figures_in_words
from ..core.shell import shell_word
from ..datasets.listing import printable
from .seed_plan import SeedPlan

FEW = 5  # finished runs; of fewer, the answer says that they are few


class SeedProgress:
    """Reports the progress of a training with several seeds.

    Args:
        plan: what is trained.
    """

    def __init__(self, plan: SeedPlan):
        self.plan = plan
        self.began: dict[int, float] = {}  # of those that run, by seed
        self.seconds: list[float] = []  # of each training, its start-up included
        self.done = 0

    def report_start(self, earlier: int) -> None:
        """Print what is trained, where the files go, and how many runs are over already."""
        self.done = earlier
        plan = self.plan
        seeds = [*plan.seeds]
        first, last = plan.run_path(seeds[0]), plan.run_path(seeds[-1]).name
        counted = f"seed{'s' * (len(seeds) > 1)} {seeds_in_words(seeds)}"
        runs = f"{first}{f' to {last}' * (len(seeds) > 1)}"
        note(printable(f"{plan.task.name}: {plan.config.kind}, {counted}; {runs}"))
        note(printable(f"output of each training: {plan.folder}/seed-*/log.txt"))
        if earlier == len(seeds):
            note("all of them are over already; --overwrite trains them again")
        elif earlier:
            note(f"{earlier} of {len(seeds)} are over already")

    def begin(self, seed: int) -> None:
        """Print that a training begins."""
        self.began[seed] = time.monotonic()
        note(f"seed {seed} …")

    def report(self, seed: int, run: RunFolder | None, failure: str | None, waiting: int) -> None:
        """Print a line about a training that has ended.

        Args:
            run: its run; None: it has no result.
            failure: why it has none.
            waiting: the number of trainings that have not begun.
        """
        self.done += run is not None
        self.seconds.append(time.monotonic() - self.began.pop(seed))
        parts = [f"seed {seed}: {failure if run is None else _outcome(run)}"]
        parts.append(f"{self.done} of {len(self.plan.seeds)} done{self._remaining(waiting)}")
        note("  ".join(parts))

    def _remaining(self, waiting: int) -> str:
        """Return the estimated time until all have ended; empty if it is over."""
        usual, now = statistics.fmean(self.seconds), time.monotonic()
        running = [max(usual - (now - began), 0) for began in self.began.values()]
        rounds = math.ceil(waiting / self.plan.config.run.workers)
        seconds = max(running, default=0) + usual * rounds
        return f", {duration_in_words(seconds)} left" if seconds > 0 else ""

    def report_end(self, group: RunGroup) -> None:
        """Print figures and findings over the seeds, and the next commands."""
        print_table(
            ["", f"{group.name}: mean (95 % interval)"], [[*row] for row in rows_of(group).items()]
        )
        if 0 < len(group.finished) < FEW:
            say(_few(len(group.finished)))
        say(f"files: {self.plan.place}/{group.name}-seed*; {self.plan.report_file}")
        say("next:")
        for command in next_commands(self.plan, group):
            say(f"  {command}")


def _outcome(run: RunFolder) -> str:
    results = run.results()
    if results["status"] == "failed":
        return f"failed: {str(results['error']).partition(': ')[2]}"
    kinds = dict.fromkeys(f.kind for f in findings_in(results) if f.severity == "trouble")
    test = figures_in_words(results.get("test", {}))
    return f"test {test} in {results['seconds']:.0f} s; {', '.join(kinds) or 'no trouble found'}"


def _few(count: int) -> str:
    if count == 1:
        return "one seed says nothing of the spread: there is no interval"
    return f"{count} seeds are few: their interval is right only if the figures are roughly normal"


def next_commands(plan: SeedPlan, group: RunGroup) -> list[str]:
    """Return the commands that a person may want next."""
    task, name = plan.task.name, shell_word(f"{plan.task.name}/{group.name}")
    some = next(iter(group.finished), None)
    use = [] if some is None else [f"errorflow {task} predict {group.runs[some].flags} ..."]
    flag = RunFolder(plan.run_path(plan.seeds[0])).run_dir_flag
    return [
        f"errorflow runs compare --group {name}{flag}",
        *use,
        f"errorflow report {name}{flag}",
        f"errorflow tensorboard{flag}",
    ]
