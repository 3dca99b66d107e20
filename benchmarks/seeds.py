"""How good are the networks of a task, over several seeds, with their default settings?

    python benchmarks/seeds.py names                       # the embedded surnames
    python benchmarks/seeds.py names --data-dir DIR        # any folder of <Label>.txt
    python benchmarks/seeds.py images                      # the embedded digits
    python benchmarks/seeds.py names --models lstm bag --seeds 1 2 3

Each network is trained as `errorflow TASK train --model MODEL --seed SEED` does; `keras-lstm` has
the settings of `lstm` with `keras.layers.LSTM` in place of our layer. The best epoch is chosen on
the validation split. The script prints the figures of the test split: mean (least to largest,
median).
"""

import argparse
import dataclasses
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODELS = {
    "names": ("lstm", "keras-lstm", "rnn", "gru", "bag"),
    "images": ("lenet5", "resnet20"),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=MODELS)
    parser.add_argument("--models", nargs="+", help="default: those that the README compares")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--data-dir", type=Path, help="a folder with your own data")
    parser.add_argument("--epochs", type=int, help="maximum number of epochs")
    parser.add_argument("--limit", type=int, help="maximum number of training examples")
    return parser.parse_args()


def with_stock_lstm():
    """Return the task `names` with `keras.layers.LSTM` in place of our LSTM."""
    import keras
    from errorflow.pipelines.names import Names
    from errorflow.pipelines.text_classification.training import build_training

    class NamesWithStockLSTM(Names):
        def build_training(self, config, data):
            spec = build_training(config, data, recurrent=keras.layers.LSTM)
            return dataclasses.replace(spec, is_recurrent=False)  # ErrorFlow reads only our layers

    return NamesWithStockLSTM()


def train(args, model, seed, folder):
    """Return the results of one training."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.registry import load_task
    from errorflow.pipelines.training import workflow

    is_stock = model == "keras-lstm"
    task = with_stock_lstm() if is_stock else load_task(args.task)
    settings = {"model": "lstm" if is_stock else model, "seed": seed}
    settings |= {"data_dir": args.data_dir, "limit": args.limit}
    settings |= {"epochs": args.epochs} if args.epochs else {}
    place = {"run_dir": Path(folder), "name": f"{model}-{seed}"}
    config = replace(task.config(), **settings, **place).resolved()
    return workflow.train(task, config).results()


def main():
    args = options()
    for model in args.models or MODELS[args.task]:
        with tempfile.TemporaryDirectory() as folder:
            results = [train(args, model, seed, folder) for seed in args.seeds]
        columns = []
        for name in results[0]["test"]:
            values = sorted(result["test"][name] for result in results)
            columns.append(
                f"{name} mean {statistics.mean(values):.4f} ({values[0]:.4f} to {values[-1]:.4f},"
                f" median {statistics.median(values):.4f})"
            )
        seconds = statistics.median(result["seconds"] for result in results)
        print(f"{model:11}", *columns, f"{seconds:.0f} s each", sep="  ", flush=True)


if __name__ == "__main__":
    main()
