"""Which recurrent layer reads digits pixel by pixel best, each tuned with the same effort?

    python benchmarks/sequential_digits.py

scikit-learn's 8×8 digits, 64 steps of one number, 32 units, 100 passes, by the recipe of
`errorflow lags train --problem digits`. For each layer, three learning rates and, where it has
gates, both with and without chrono initialisation (for the others, three learning rates without and
with a clip norm of 0.1) are tried with seed 1, and judged by the validation digits. The best one is
trained with three seeds; printed are its test accuracies and what the error flow says.
"""

import argparse
import itertools
import os
import statistics
import tempfile
from pathlib import Path

RATES = (1e-3, 3e-3, 1e-2)


def tried(model):
    """Settings to choose from: six for each layer."""
    other = {"clip_norm": (1.0, 0.1)} if model == "rnn" else {"chrono": (0.0, 1.0)}
    ((key, values),) = other.items()
    for rate, value in itertools.product(RATES, values):
        yield {"learning_rate": rate, key: value}


def train(folder, model, seed, epochs, settings):
    """Results of one training."""
    import contextlib
    import io

    from errorflow.pipelines.core.run_folder import Run
    from errorflow.pipelines.lags import LagsConfig
    from errorflow.pipelines.lags import train as run_training

    name = "-".join([model, str(seed), *map(str, settings.values())])
    config = LagsConfig(
        problem="digits",
        model=model,
        seed=seed,
        epochs=epochs,
        run_dir=Path(folder),
        name=name,
        **settings,
    ).resolved()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run_training(config)
    return Run(Path(folder) / "lags" / name).results()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=("rnn", "lstm", "lstm97", "gru"))
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            trials = [
                (train(folder, model, 1, options.epochs, settings), settings)
                for settings in tried(model)
            ]
            found, best = max(trials, key=lambda trial: trial[0]["validation"]["accuracy"])
            more = [seed for seed in options.seeds if seed != 1]
            others = [train(folder, model, seed, options.epochs, best) for seed in more]
        results = [found, *others]
        accuracies = sorted(result["test"]["accuracy"] for result in results)
        print(
            f"{model:7} {best}  accuracy mean {statistics.mean(accuracies):.4f}"
            f" ({accuracies[0]:.4f} to {accuracies[-1]:.4f}),"
            f" {statistics.median(r['seconds'] for r in results):.0f} s each",
            *(f"        {line}" for result in results for line in result["verdict"]),
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
