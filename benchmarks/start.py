"""Where does the time of a short training go that is not spent on its epochs?

    python benchmarks/start.py trial                   # of one trial of `names tune`, alone
    python benchmarks/start.py trial --after           # of the next trial in the same process
    python benchmarks/start.py train --epochs 25       # of `errorflow names train`
    python benchmarks/start.py train --after           # with the programs that XLA has compiled

One process trains, and this script notes what it does: a table of processor seconds (of all its
threads) and seconds by stage, for a machine that does other work too. What a stage does inside
another one counts for itself alone. Compiling is part of the first steps of each batch shape, and
what they took beyond the usual step of that shape; it is taken from the stage "epochs".
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tuning
from start_parts import process
from start_parts.clock import EPOCHS


def measure(question, *arguments, variables):
    """Run a training in a process of its own; return [processor seconds, seconds] by stage."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seconds.json"
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, __file__, "child", str(out), question, *map(str, arguments)]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | variables,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime"))
        taken = json.loads(out.read_text())
    totals = processor, time.perf_counter() - began
    if "Python" in taken:  # of the whole process
        taken["end of the process"] = [
            max(0.0, total - sum(each[kind] for each in taken.values()))
            for kind, total in enumerate(totals)
        ]
    return taken


def print_table(taken):
    for name, (processor, seconds) in sorted(taken.items(), key=lambda item: -item[1][0]):
        print(f"{processor:7.2f} {seconds:7.2f}  {name}")
    inside = (EPOCHS, "validation in each epoch")
    sums = [sum(each[kind] for each in taken.values()) for kind in (0, 1)]
    rest = [
        sum(each[kind] for name, each in taken.items() if name not in inside) for kind in (0, 1)
    ]
    print(f"{sums[0]:7.2f} {sums[1]:7.2f}  all")
    print(f"{rest[0]:7.2f} {rest[1]:7.2f}  all but the epochs", flush=True)


def equal_trials(folder, count, epochs):
    """Write the folders of equal trials, as `tuning.py workers` has them; return their paths."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.names import NamesConfig
    from errorflow.pipelines.search.trial_folder import Request
    from errorflow.pipelines.search.trial_process import write_trial

    values = {k: v[0] if isinstance(v, list) else v for k, v in tuning.EQUAL.items()}
    config, folders = replace(NamesConfig(), epochs=epochs, **values), []
    for number in range(count):
        finished = [f"../{path.name}" for path in folders]
        folders.append(folder / f"trial_{number:04d}")
        write_trial(folders[-1], config, Request(task="names", finished=finished))
    return folders


def trial(args, folder):
    folders = equal_trials(folder, 2 if args.after else 1, args.epochs or 2)
    print_table(measure("trial", *folders, variables=programs(folder)))


def train(args, folder):
    flags = ["names", "train", "--run-dir", folder]
    if args.epochs:
        flags += ["--epochs", args.epochs]
    if args.after:
        measure("train", *flags, "--name", "first", variables=programs(folder))
    print_table(measure("train", *flags, "--name", "timed", variables=programs(folder)))


def programs(folder):
    """Return the variable that lets errorflow keep compiled programs in a folder of this script."""
    return {"ERRORFLOW_PROGRAMS": str(folder / "programs")}


def main():
    if sys.argv[1:2] == ["child"]:
        process.run(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("question", choices=["trial", "train"])
    parser.add_argument("--epochs", type=int, help="default: 2 of a trial, the task's of `train`")
    parser.add_argument("--after", action="store_true", help="the second trial, or training")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        {"trial": trial, "train": train}[args.question](args, Path(folder))


if __name__ == "__main__":
    main()
