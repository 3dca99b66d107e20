"""What a search finds, what a second worker saves, and whether memory grows from trial to trial.

    python benchmarks/tuning.py found                   # 20 trials, then six trainings
    python benchmarks/tuning.py found --workers 2       # two trials at once
    python benchmarks/tuning.py found --max-trials 20 --oracle bayesian --seeds 1 2 3
    python benchmarks/tuning.py workers                 # 12 equal trials by one worker, then by two
    python benchmarks/tuning.py memory                  # 30 small trials in one search

`found` searches the embedded surnames on the validation split alone, then trains the best
configuration and the one that ships with several seeds, and prints the macro-F1 of the test split,
mean (least to largest). `workers` holds each worker to one processor; it also prints what a trial
takes beyond its epochs, which is its process: start, data, compiling, saving. `memory` prints what
the search itself and the process of a trial hold at most, as one trial after the other is done.
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

ERRORFLOW = [sys.executable, "-m", "errorflow.pipelines.cli", "names"]
EQUAL = {  # all keys of the space stand, and one is searched that does not count in two epochs
    "model": "lstm", "units": 128, "layers": 1, "bidirectional": False, "embedding": 64,
    "dropout": 0.4, "balance": 0.5, "label_smoothing": 0.0, "learning_rate": 0.008,
    "batch_size": 128, "optimizer": "adam", "clip_norm": 1.0, "patience": [*range(10, 22)],
}  # fmt: skip


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["found", "workers", "memory"])
    parser.add_argument("--max-trials", type=int, default=20, help="of `found`")
    parser.add_argument("--oracle", default="random")
    parser.add_argument("--workers", type=int, default=1, help="of `found`")
    parser.add_argument("--epochs", type=int, default=2, help="of each of the equal trials")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--directory", type=Path, help="keep everything there; goes on with it")
    return parser.parse_args()


def errorflow(*flags, processors=None):
    """Seconds that a command of the task took."""
    began = time.perf_counter()
    process = subprocess.Popen([*ERRORFLOW, *map(str, flags)], stdout=subprocess.DEVNULL)
    if processors:
        os.sched_setaffinity(process.pid, processors)
    if process.wait():
        raise SystemExit(process.returncode)
    return time.perf_counter() - began


def found(args, folder):
    where = ["--directory", folder]
    how = ["--max-trials", args.max_trials, "--oracle", args.oracle, "--workers", args.workers]
    seconds = errorflow("tune", *where, *how)
    print(f"search: {args.max_trials} trials in {seconds / 60:.1f} min", flush=True)
    best = folder / "names" / "best" / "config.yaml"
    for name, flags in (("best found", ["--config", best]), ("as shipped", [])):
        figures = []
        for seed in args.seeds:
            run = f"{name.split()[0]}-{seed}"
            again = ["--seed", seed, "--run-dir", folder / "runs", "--name", run, "--overwrite"]
            errorflow("train", *flags, *again)
            results = json.loads((folder / "runs" / "names" / run / "results.json").read_text())
            figures.append(results["test"]["macro_f1"])
        low, high = min(figures), max(figures)
        mean = statistics.mean(figures)
        print(f"{name}: test macro-F1 {mean:.4f} ({low:.4f} to {high:.4f})", flush=True)


def workers(args, folder):
    space = folder / "space.yaml"
    space.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in EQUAL.items()))
    flags = ["--directory", folder, "--space", space, "--oracle", "grid", "--epochs", args.epochs]
    cores = sorted(os.sched_getaffinity(0))
    seconds = {}
    for count in (1, 2):
        name = ["--project-name", f"workers-{count}", "--workers", count]
        seconds[count] = errorflow("tune", *flags, *name, processors=cores[:count])
        results = [
            json.loads(path.read_text())
            for path in (folder / f"workers-{count}").glob("trial_*/result.json")
        ]
        beyond = seconds[count] * count / len(results) - statistics.mean(
            result["seconds"] for result in results
        )
        print(
            f"{count} workers: {len(results)} trials in {seconds[count]:.0f} s;"
            f" {beyond:.1f} s of each are not epochs",
            flush=True,
        )
    print(f"ratio: {seconds[2] / seconds[1]:.2f}")


def memory(args, folder):
    space = folder / "space.yaml"
    small = EQUAL | {"units": 32, "embedding": 16, "patience": [*range(10, 40)]}
    space.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in small.items()))
    flags = ["--directory", folder, "--space", space, "--oracle", "grid", "--epochs", 1]
    flags += ["--limit", 400, "--max-trials", 30]
    command = [*ERRORFLOW, "tune", *map(str, flags)]
    search = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = {}  # by the number of finished trials: [of the search, of a trial's process]
    while search.poll() is None:
        done = len([*folder.glob("names/trial_*/result.json")])
        held = [resident(search.pid), max(map(resident, children(search.pid)), default=0.0)]
        most[done] = [*map(max, held, most.get(done, held))]
        time.sleep(0.5)
    if search.returncode:
        raise SystemExit(search.returncode)
    for done in sorted(most)[::5]:  # a search that goes on begins with some
        own, trial = most[done]
        print(f"after {done} trials: search {own:.0f} MB, trial {trial:.0f} MB", flush=True)


def resident(process):
    """Memory of a process in MB; 0 once it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    (line, *_) = [line for line in status.splitlines() if line.startswith("VmRSS")] or ["- 0"]
    return int(line.split()[1]) / 1024


def children(process):
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def main():
    args = options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as temporary:
        measure = {"found": found, "workers": workers, "memory": memory}[args.what]
        measure(args, args.directory or Path(temporary))


if __name__ == "__main__":
    main()
