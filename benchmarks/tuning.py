"""What does a search gain, what does a second worker save, and does memory grow with the trials?

    python benchmarks/tuning.py quality                 # 20 trials, then six trainings
    python benchmarks/tuning.py quality --workers 2     # two trials in parallel
    python benchmarks/tuning.py quality --max-trials 20 --oracle bayesian --seeds 1 2 3
    python benchmarks/tuning.py workers                 # 12 equal trials by one worker, then by two
    python benchmarks/tuning.py memory                  # 30 small trials in one search

`quality` searches the settings for the embedded surnames on the training and validation splits
alone, then trains the best settings and the default ones with several seeds, and prints the
macro-F1 on the test split, mean (least to largest). `workers` holds each worker to one processor;
it also prints the time that a trial takes besides its epochs: starting the process, reading data,
compiling, saving. `memory` prints the largest memory of the search's process and of the trials'
processes by the number of finished trials.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ERRORFLOW = [sys.executable, "-m", "errorflow.pipelines", "names"]
EQUAL = {  # all settings of the space are fixed but one, which has no effect in two epochs
    "model": "lstm", "units": 128, "layers": 1, "bidirectional": False, "embedding": 64,
    "dropout": 0.4, "balance": 0.5, "label_smoothing": 0.0, "learning_rate": 0.008,
    "batch_size": 128, "optimizer": "adam", "clip_norm": 1.0, "patience": [*range(10, 22)],
}  # fmt: skip


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", choices=["quality", "workers", "memory"])
    parser.add_argument("--max-trials", type=int, help="default: 20, 12, 30")
    parser.add_argument("--oracle", default="random", help="of `quality`")
    parser.add_argument("--workers", type=int, default=1, help="of `quality`")
    parser.add_argument("--epochs", type=int, help="per trial (default: the task's, 2, 1)")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--limit", type=int, help="training examples (default: all, all, 400)")
    parser.add_argument(
        "--directory", type=Path, help="keep all files there; continue if it exists"
    )
    return parser.parse_args()


def errorflow(*flags, processors=None):
    """Run a verb of the task, and return its seconds."""
    began = time.perf_counter()
    process = subprocess.Popen([*ERRORFLOW, *map(str, flags)], stdout=subprocess.DEVNULL)
    if processors:
        os.sched_setaffinity(process.pid, processors)
    if process.wait():
        raise SystemExit(process.returncode)
    return time.perf_counter() - began


def quality(args, folder):
    """Print the macro-F1 of the best settings of a search and of the default settings."""
    shared = [*flag("--limit", args.limit), *flag("--epochs", args.epochs)]
    trials = args.max_trials or 20
    search = ["--max-trials", trials, "--oracle", args.oracle, "--workers", args.workers]
    seconds = errorflow("tune", "--directory", folder, *search, *shared)
    print(f"search: {trials} trials in {seconds / 60:.1f} min", flush=True)
    best = folder / "names" / "best" / "config.yaml"
    for title, flags in (("best", ["--config", best]), ("default", shared)):
        scores = []
        for seed in args.seeds:
            run = f"{title}-{seed}"
            place = ["--run-dir", folder / "runs", "--name", run, "--overwrite"]
            errorflow("train", *flags, "--seed", seed, *place)
            results = json.loads((folder / "runs" / "names" / run / "results.json").read_text())
            scores.append(results["test"]["macro_f1"])
        mean = statistics.mean(scores)
        print(f"{title}: test macro-F1 {mean:.4f} ({min(scores):.4f} to {max(scores):.4f})")


def workers(args, folder):
    """Print the seconds of equal trials by one worker and by two."""
    space = write_space(folder, EQUAL)
    flags = ["--directory", folder, "--space", space, "--oracle", "grid"]
    flags += ["--epochs", args.epochs or 2, *flag("--limit", args.limit)]
    flags += flag("--max-trials", args.max_trials)
    cores = sorted(os.sched_getaffinity(0))
    seconds = {}
    for count in (1, 2):
        name = ["--project-name", f"workers-{count}", "--workers", count]
        os.environ["ERRORFLOW_PROGRAMS"] = str(folder / f"programs-{count}")  # none to begin with
        seconds[count] = errorflow("tune", *flags, *name, processors=cores[:count])
        files = (folder / f"workers-{count}").glob("trial_*/result.json")
        results = [json.loads(path.read_text()) for path in files]
        epochs = statistics.mean(result["seconds"] for result in results)
        print(
            f"{count} workers: {len(results)} trials in {seconds[count]:.0f} s;"
            f" {seconds[count] * count / len(results) - epochs:.1f} s of each besides its epochs",
            flush=True,
        )
    print(f"ratio: {seconds[2] / seconds[1]:.2f}")


def memory(args, folder):
    """Print the memory of a search and of its trials while they run."""
    space = write_space(
        folder, EQUAL | {"units": 32, "embedding": 16, "patience": [*range(10, 40)]}
    )
    flags = ["--directory", folder, "--space", space, "--oracle", "grid"]
    flags += ["--epochs", args.epochs or 1, "--limit", args.limit or 400]
    flags += ["--max-trials", args.max_trials or 30]
    command = [*ERRORFLOW, "tune", *map(str, flags)]
    search = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    largest = {}  # by the number of finished trials: (of the search, of a trial's process), in MB
    while search.poll() is None:
        finished = len([*folder.glob("names/trial_*/result.json")])
        now = resident(search.pid), max(map(resident, children(search.pid)), default=0.0)
        largest[finished] = tuple(map(max, now, largest.get(finished, now)))
        time.sleep(0.5)
    if search.returncode:
        raise SystemExit(search.returncode)
    for finished in sorted(largest)[::5]:  # a continued search begins with some finished trials
        own, trial = largest[finished]
        print(f"after {finished} trials: search {own:.0f} MB, trial {trial:.0f} MB", flush=True)


def write_space(folder, space):
    """Write a space file, and return its path."""
    path = folder / "space.yaml"
    path.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in space.items()))
    return path


def flag(name, value):
    """Return a flag with its value, or nothing for None."""
    return [] if value is None else [name, value]


def resident(process):
    """Return the memory of a process in MB; 0 after its end."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    (line, *_) = [line for line in status.splitlines() if line.startswith("VmRSS")] or ["- 0"]
    return int(line.split()[1]) / 1024


def children(process):
    """Return the process ids of the children of a process."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in files for child in path.read_text().split()]


def main():
    args = options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as temporary:
        answer = {"quality": quality, "workers": workers, "memory": memory}[args.question]
        answer(args, args.directory or Path(temporary))


if __name__ == "__main__":
    main()
