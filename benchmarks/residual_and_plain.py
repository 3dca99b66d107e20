"""How does the gradient flow through 56 layers, with shortcuts and without?

    python benchmarks/residual_and_plain.py

Trains ResNet-56 and its plain counterpart on the embedded digits with one recipe and seed, as
`errorflow images train --model resnet56 --epochs 6` would, with `--skip false` for the second. It
prints the loss of each epoch and the gradient of the first and the last block, and draws
`depth.png`.
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
    parser.add_argument("--picture", type=Path, default=Path(__file__).with_name("depth.png"))
    return parser.parse_args()


def train(skip, epochs, folder):
    """(rows per epoch, the gradients over depth)"""
    from errorflow.pipelines.core import devices
    from errorflow.pipelines.core import run_folder as runs
    from errorflow.pipelines.images import TASK, ImagesConfig
    from errorflow.pipelines.training import loop as training

    config = ImagesConfig(
        model="resnet56",
        skip=skip,
        epochs=epochs,
        run_dir=Path(folder),
        name=skip,
    ).resolved()
    strategy = devices.start(config)
    data = TASK.read_data(config)
    run = runs.begin(config, TASK.name, devices.describe(config, strategy))
    outcome = training.fit(TASK.tool("make_job")(run, config, data), strategy)
    return outcome.rows, outcome.layer_gradients.history


def of_convolutions(history):
    """The gradients without those of the normalisations between."""
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
            rows, history = train(skip, args.epochs, folder)
        histories[title] = of_convolutions(history)
        norms = histories[title]["norm"]
        print(f"{title}: training loss", *(f"{row['loss']:.3f}" for row in rows))
        print(f"{title}: validation accuracy", *(f"{row['val_accuracy']:.3f}" for row in rows))
        for when, chosen in (("first step", norms[:1]), ("last epoch", norms[-28:])):
            first, *_, last = np.median(chosen, axis=0)
            print(f"{title}: {when}: first convolution {first:.2g}, last {last:.2g}", flush=True)
    plots.save(figures.layer_gradients(histories), args.picture)


if __name__ == "__main__":
    main()
