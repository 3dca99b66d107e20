"""Is a network ahead of simple forecasts and classifiers on the embedded time series?

    python benchmarks/series.py                            # every set, an LSTM, three seeds
    python benchmarks/series.py --sets co2 --models lstm gru conv1d --seeds 1 2 3
    python benchmarks/series.py --run-dir kept             # keeps the runs, and finds them again

Each network is trained as `errorflow series train --dataset SET --model MODEL --seed SEED` does;
the best epoch is chosen on the validation split. The script prints the figures of the test split,
mean (least to largest), beside those of the baselines, and whether the network is ahead of all
that matter, in the mean and in how many seeds. The last lines of a set are what the error flow says
about how far back the network learns.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SETS = ("co2", "elnino", "sunspots", "gunpoint", "basic-motions")
RIVALS = {"mase": ("seasonal_naive", "linear"), "accuracy": ("most_frequent", "nearest_neighbour")}


def options():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--models", nargs="+", default=("lstm",))
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--run-dir", type=Path, help="keep the runs in this folder")
    return parser.parse_args()


def trained(name, model, seed, folder):
    """Return the finished run of a training; train it if it is not there."""
    from errorflow import pipelines

    run = f"{name}-{model}-{seed}"
    place = folder / "series" / run
    if (place / "results.json").exists() and pipelines.load_run(place).results.get("test"):
        return pipelines.load_run(place)
    settings = {"dataset": name, "model": model, "seed": seed}
    return pipelines.train("series", name=run, run_dir=folder, overwrite=True, **settings)


def baselines(run):
    """Return the figures of each baseline on the test split: {name: {figure: value}}."""
    test = run.results["test"]
    figure = "mase" if "mase" in test else "accuracy"
    names = [key.removeprefix(f"{figure}_") for key in test if key.startswith(f"{figure}_")]
    rows = {name: {figure: test[f"{figure}_{name}"]} for name in names}
    if figure == "mase":
        for name, forecast in _forecasts(run).items():
            rows[name] |= forecast
    return rows


def _forecasts(run):
    """Return sMAPE and RMSE of the simple forecasts."""
    from errorflow.pipelines.series.measurement import baseline_forecasts
    from errorflow.pipelines.training.series_metrics import rmse, smape

    split = run.task.read_data(run.config).test
    truth = split.examples.truth()
    return {
        name: {"smape": smape(truth, forecast), "rmse": rmse(truth, forecast)}
        for name, forecast in baseline_forecasts(split).items()
    }


def spread(values, digits):
    """Return mean (least to largest)."""
    least, largest = min(values), max(values)
    return f"{statistics.mean(values):.{digits}f} ({least:.{digits}f} to {largest:.{digits}f})"


def verdict(values, rivals, is_error):
    """Return whether a network is ahead of each rival, in the mean and in how many seeds."""
    sign = -1 if is_error else 1
    parts = []
    for name, rival in rivals.items():
        ahead = sign * (statistics.mean(values) - rival) > 0
        seeds = sum(sign * (value - rival) > 0 for value in values)
        word = "ahead of" if ahead else "NOT ahead of"
        parts.append(f"{word} {name.replace('_', ' ')} ({seeds} of {len(values)} seeds)")
    return ", ".join(parts)


def report(name, runs_of):
    """Print the table of a set."""
    first = next(iter(runs_of.values()))[0]
    rivals = baselines(first)
    main = "mase" if "mase" in first.results["test"] else "accuracy"
    figures = ("mase", "smape", "rmse") if main == "mase" else ("accuracy", "macro_f1")
    digits = {"mase": 3, "smape": 2, "rmse": 3, "accuracy": 4, "macro_f1": 4}
    print(f"\n{name}: {first.results.get('data', {}).get('source', '')}", flush=True)
    for rival, row in rivals.items():
        cells = [f"{f} {row[f]:.{digits[f]}f}" for f in figures if f in row]
        print(f"  {rival.replace('_', ' '):18}", *cells, sep="  ")
    for model, runs in runs_of.items():
        tests = [run.results["test"] for run in runs]
        cells = [f"{f} {spread([t[f] for t in tests], digits[f])}" for f in figures]
        if "coverage" in tests[0]:
            cells.append(
                f"80 % interval covers {statistics.mean(t['coverage'] for t in tests):.2f}"
            )
        seconds = statistics.median(run.results["seconds"] for run in runs)
        print(f"  {model:18}", *cells, f"{seconds:.0f} s each", sep="  ")
    for model, runs in runs_of.items():
        values = [run.results["test"][main] for run in runs]
        against = {rival: rivals[rival][main] for rival in RIVALS[main] if rival in rivals}
        print(f"  {model}:", verdict(values, against, main == "mase"))
        for finding in runs[0].findings:
            print(f"    {finding.layer}: {finding.text}")


def main():
    args = options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.run_dir or Path(temporary)
        for name in args.sets:
            runs = {
                model: [trained(name, model, seed, folder) for seed in args.seeds]
                for model in args.models
            }
            report(name, runs)


if __name__ == "__main__":
    main()
