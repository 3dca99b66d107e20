"""How good are the networks of a task, over several seeds, with their default settings?

    python benchmarks/seeds.py names                       # the embedded surnames
    python benchmarks/seeds.py names --data-dir DIR        # any folder of <Label>.txt
    python benchmarks/seeds.py images --workers 2          # the embedded digits
    python benchmarks/seeds.py names --models lstm bag --seeds 5
    python benchmarks/seeds.py documents --models conv1d lstm --data-dir DIR

Each network is trained as `errorflow TASK train --model MODEL --seeds SEEDS` does; `keras-lstm` has
the settings of `lstm` with `keras.layers.LSTM` in place of our layer, seed by seed in this process.
The best epoch is chosen on the validation split. The script prints the figures of the test split:
mean (least to largest, median; 95 % interval), in how many seeds there is a finding of each kind
and, at the end, which networks differ beyond the noise of the seeds. With --run-dir the runs are
kept, and the same command goes on.
"""

import argparse
import contextlib
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
STOCK = "keras-lstm"


def options():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--models", nargs="+", help="default: those that the README compares")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from --seed on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--data-dir", type=Path, help="a folder with your own data")
    parser.add_argument("--epochs", type=int, help="maximum number of epochs")
    parser.add_argument("--limit", type=int, help="maximum number of training examples")
    parser.add_argument("--run-dir", type=Path, help="keep the runs in this folder")
    args = parser.parse_args()
    args.models = args.models or MODELS.get(args.task)
    if args.models is None:
        parser.error(f"--models is needed for {args.task}")
    if STOCK in args.models and args.task != "names":
        parser.error(f"{STOCK} is a network of names")
    return args


def train_stock(args, settings, place):
    """Return the group of `names` with `keras.layers.LSTM`; finished runs are not repeated."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.core.console import muted
    from errorflow.pipelines.core.run_folder import RunFolder
    from errorflow.pipelines.core.run_group import RunGroup
    from errorflow.pipelines.training import workflow

    task, runs = task_with_stock_lstm(), {}
    for seed in range(args.seed, args.seed + args.seeds):
        where = {"run_dir": place, "name": f"{STOCK}-seed{seed}", "overwrite": True}
        config = replace(task.config(), **settings, model="lstm", seed=seed, **where).resolved()
        runs[seed] = RunFolder(place / task.name / where["name"])
        if runs[seed].damage is not None or runs[seed].status != "finished":
            with muted():
                workflow.train(task, config)
    return RunGroup(STOCK, runs)


def task_with_stock_lstm():
    import keras
    from errorflow.pipelines.names import Names
    from errorflow.pipelines.text_classification.training import build_training

    class NamesWithStockLSTM(Names):
        def build_training(self, config, data):
            spec = build_training(config, data, recurrent=keras.layers.LSTM)
            return dataclasses.replace(spec, is_recurrent=False)  # ErrorFlow reads only our layers

    return NamesWithStockLSTM()


def train(args, model, folder):
    """Return the group of runs of a model, in a folder of its own."""
    from errorflow import pipelines

    given = {"data_dir": args.data_dir, "limit": args.limit, "epochs": args.epochs}
    settings = {name: value for name, value in given.items() if value is not None}
    if model == STOCK:
        return train_stock(args, settings, folder / model)
    return pipelines.train(
        args.task,
        name=model,
        run_dir=folder / model,
        seeds=args.seeds,
        seed=args.seed,
        workers=args.workers,
        model=model,
        **settings,
    ).group


def line(group):
    """Return the figures of the test split in one line."""
    from errorflow.pipelines.core.run_group import estimate_in_words

    columns = [f"{group.name:11}"]
    for name, by_seed in group.values.items():
        if name.startswith("test ") and by_seed:
            values, interval = sorted(by_seed.values()), estimate_in_words(group.figures[name])
            columns.append(
                f"{name.removeprefix('test ')} mean {statistics.mean(values):.4f}"
                f" ({values[0]:.4f} to {values[-1]:.4f}, median {statistics.median(values):.4f};"
                f" 95 % interval {interval.partition('(')[2].strip(')') or 'none'})"
            )
    seconds = group.values.get("seconds", {})
    columns += [f"{statistics.median(seconds.values()):.0f} s each"] if seconds else []
    count = len(group.ended)
    columns += [f"{spread.kind} in {len(spread.seeds)} of {count}" for spread in group.findings]
    columns += [f"seed {seed} {reason}" for seed, reason in group.without_figures.items()]
    return "  ".join(columns)


def main():
    from errorflow.pipelines.commands.group_tests import sentences_of

    args, groups = options(), []
    with contextlib.ExitStack() as stack:
        folder = args.run_dir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for model in args.models:
            groups.append(train(args, model, folder))
            print(line(groups[-1]), flush=True)
        print(*sentences_of(groups), sep="\n")


if __name__ == "__main__":
    main()
