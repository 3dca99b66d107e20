"""How good are the networks of a task, over several seeds, by the recipe that ships?

    python benchmarks/seeds.py names                       # the embedded surnames
    python benchmarks/seeds.py names --data-dir DIR        # any folder of <Label>.txt
    python benchmarks/seeds.py images                      # the embedded digits
    python benchmarks/seeds.py names --models lstm bag --seeds 1 2 3

Each is trained as `errorflow TASK train --model MODEL --seed SEED` would; `keras-lstm` is the
recipe of `lstm` with `keras.layers.LSTM` in our layer's place. The epoch is chosen on the
validation split; printed are the figures of the test split: mean (least to largest), and for who
compares medians, the median.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

MODELS = {
    "names": ("lstm", "keras-lstm", "rnn", "gru", "bag"),
    "images": ("lenet5", "resnet20"),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=MODELS)
    parser.add_argument("--models", nargs="+", help="by default: all that are of interest")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--data-dir", type=Path, help="the user's own folder")
    return parser.parse_args()


def train(task, model, seed, data_dir, folder):
    """Test figures and seconds of one training."""
    import keras
    from errorflow.pipelines.core import devices
    from errorflow.pipelines.core import run_folder as runs
    from errorflow.pipelines.models.serving import load
    from errorflow.pipelines.training import loop as training

    stock = model == "keras-lstm"
    config = task.config(
        model="lstm" if stock else model,
        seed=seed,
        data_dir=data_dir,
        run_dir=Path(folder),
        name=f"{model}-{seed}",
    ).resolved()
    strategy = devices.start(config)
    data = task.read_data(config)
    run = runs.begin(config, task.name, devices.describe(config, strategy))
    options = {"recurrent": keras.layers.LSTM} if stock else {}
    job = task.tool("make_job")(run, config, data, **options)
    job.recurrent = job.recurrent and not stock  # ErrorFlow sees our layers only
    outcome = training.fit(job, strategy)
    found = task.tool("measure")(load(run.best), data.test, data.labels)
    return found.figures, outcome.seconds


def main():
    args = options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import importlib

    task = importlib.import_module(f"errorflow.pipelines.{args.task}").TASK
    for model in args.models or MODELS[args.task]:
        with tempfile.TemporaryDirectory() as folder:
            trials = [train(task, model, seed, args.data_dir, folder) for seed in args.seeds]
        told = []
        for name in trials[0][0]:
            values = sorted(figures[name] for figures, _ in trials)
            told.append(
                f"{name} mean {statistics.mean(values):.4f} ({values[0]:.4f} to {values[-1]:.4f},"
                f" median {statistics.median(values):.4f})"
            )
        seconds = statistics.median(seconds for _, seconds in trials)
        print(f"{model:11}", *told, f"{seconds:.0f} s each", sep="  ", flush=True)


if __name__ == "__main__":
    main()
