"""Which recurrent layer is best at reading digits pixel by pixel, if all are tuned equally?

    python benchmarks/sequential_digits.py

The data are scikit-learn's 8×8 digits as sequences of 64 pixels; the networks have 32 units and are
trained for 100 epochs, as `errorflow lags train --problem digits` does. For each layer six settings
are tried with seed 1: three learning rates, each with and without chrono initialisation (for the
SimpleRNN, which has no gates, each with a clip norm of 1 and of 0.1). The best on the validation
digits is trained with three seeds. The script prints the test accuracies and what the error flow
shows.
"""

import argparse
import itertools
import statistics
import tempfile

RATES = (1e-3, 3e-3, 1e-2)


def settings_to_try(model):
    """Yield six settings."""
    key, values = ("clip_norm", (1.0, 0.1)) if model == "rnn" else ("chrono", (0.0, 1.0))
    for rate, value in itertools.product(RATES, values):
        yield {"learning_rate": rate, key: value}


def train(model, seed, epochs, settings):
    """Return the results of one training."""
    from errorflow import pipelines

    with tempfile.TemporaryDirectory() as folder:
        run = pipelines.train(
            "lags",
            problem="digits",
            model=model,
            seed=seed,
            epochs=epochs,
            run_dir=folder,
            **settings,
        )
        return run.results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=("rnn", "lstm", "lstm97", "gru"))
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    for model in args.models:
        trials = [
            (train(model, 1, args.epochs, settings), settings)
            for settings in settings_to_try(model)
        ]
        first, best = max(trials, key=lambda trial: trial[0]["validation"]["accuracy"])
        other_seeds = [seed for seed in args.seeds if seed != 1]
        results = [first, *(train(model, seed, args.epochs, best) for seed in other_seeds)]
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
