"""How does the gradient flow through 56 layers, with and without shortcuts?

    python benchmarks/residual_and_plain.py    # writes benchmarks/depth.png

Trains ResNet-56 and its plain counterpart on the embedded digits with the same recipe and seed, as
`errorflow images train --model resnet56 --epochs 6` does, with `--skip false` for the second. The
script prints the loss of each epoch and the gradients of the first and the last convolution.
"""

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TITLES = {"true": "ResNet-56", "false": "plain, 56 layers"}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--model", default="resnet56", help="any residual network of the zoo")
    parser.add_argument("--limit", type=int, help="maximum number of training images")
    picture = Path(__file__).with_name("depth.png")
    parser.add_argument("--picture", type=Path, default=picture, help="where to write the picture")
    return parser.parse_args()


def train(args, skip, folder):
    """Return one row per epoch and the recorded gradients over depth."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.core.run_lifecycle import folder_to_train_in, training_in
    from errorflow.pipelines.images import TASK
    from errorflow.pipelines.training import workflow
    from errorflow.pipelines.training.session import start

    settings = {"model": args.model, "skip": skip, "epochs": args.epochs, "limit": args.limit}
    config = replace(TASK.config(), **settings, run_dir=Path(folder), name=skip).resolved()
    session = start(config)
    run, data = folder_to_train_in(TASK.name, config), TASK.read_data(config)
    with training_in(run, TASK.name, config, session.environment) as begin:
        outcome = workflow.train_in(run, TASK, config, data, session.strategy, begin)
    return outcome.history, outcome.recorders.layer_gradients.history


def convolutions_of(history):
    """Return the gradients without those of the batch normalisations between."""
    places = [i for i, name in enumerate(history["layers"]) if name.endswith("/convolution")]
    names = [history["layers"][i].removesuffix("/convolution") for i in places]
    return {"step": history["step"], "layers": names, "norm": history["norm"][:, places]}


def main():
    args = options()
    import numpy as np
    from errorflow.callbacks.drawing import figures
    from errorflow.pipelines.training import plots

    histories = {}
    for skip, title in TITLES.items():
        with tempfile.TemporaryDirectory() as folder:
            rows, history = train(args, skip, folder)
        histories[title] = convolutions_of(history)
        norms = histories[title]["norm"]
        print(f"{title}: training loss", *(f"{row['loss']:.3f}" for row in rows))
        print(f"{title}: validation accuracy", *(f"{row['val_accuracy']:.3f}" for row in rows))
        for when, chosen in (("first step", norms[:1]), ("last epoch", norms[-28:])):
            first, *_, last = np.median(chosen, axis=0)
            print(f"{title}: {when}: first convolution {first:.2g}, last {last:.2g}", flush=True)
    plots.save(figures.layer_gradients(histories), args.picture)
    print(args.picture)


if __name__ == "__main__":
    main()
