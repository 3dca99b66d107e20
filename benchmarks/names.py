"""How well do the networks tell the language of a surname, and is ours level with Keras' own?

    python benchmarks/names.py                        # the embedded surnames, three seeds
    python benchmarks/names.py --data-dir DIR         # any folder of <Label>.txt
    python benchmarks/names.py --models lstm bag --seeds 1 2 3

Each network is trained by the recipe that `errorflow names train` ships; `keras-lstm` is that of
`lstm` with `keras.layers.LSTM` in our layer's place. The epoch is chosen on the validation split;
printed are accuracy and macro-F1 on the test split, the median of the seeds first.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

MODELS = ("lstm", "keras-lstm", "rnn", "gru", "bag")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--data-dir", type=Path, help="a folder of <Label>.txt")
    return parser.parse_args()


def train(model, seed, data_dir, folder):
    """Test figures and seconds of one training."""
    import keras
    from errorflow.pipelines import devices, names, runs, text_labels
    from errorflow.pipelines import train as training

    stock = model == "keras-lstm"
    config = names.NamesConfig(
        model="lstm" if stock else model,
        seed=seed,
        data_dir=data_dir,
        run_dir=Path(folder),
        name=f"{model}-{seed}",
    )
    strategy = devices.start(config)
    data = names.read_data(config)
    run = runs.begin(config, names.TASK, devices.describe(config, strategy))
    job = text_labels.make_job(run, config, data, keras.layers.LSTM if stock else None)
    job.recurrent = job.recurrent and not stock  # ErrorFlow sees our layers only
    outcome = training.fit(job, strategy)
    return names._measure(run, data, "test").figures, outcome.seconds


def main():
    args = options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for model in args.models:
        with tempfile.TemporaryDirectory() as folder:
            trials = [train(model, seed, args.data_dir, folder) for seed in args.seeds]
        scores = {
            name: sorted(figures[name] for figures, _ in trials)
            for name in ("macro_f1", "accuracy")
        }
        told = "  ".join(
            f"{name} {statistics.median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})"
            for name, values in scores.items()
        )
        seconds = statistics.median(seconds for _, seconds in trials)
        print(f"{model:11} {told}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
