"""How do gradient and error flow through 56 layers, with and without shortcuts?

    python benchmarks/residual_and_plain.py    # writes benchmarks/depth.png

Trains ResNet-56 and its plain counterpart on the embedded digits with the same recipe and seed, as
`errorflow images train --model resnet56 --epochs 6` does, with `--skip false` for the second. The
script prints the loss of each epoch, and ‖dE/dW‖, ‖dE/dW‖ / ‖W‖ and the error ‖dE/da‖ in the first
and the last convolution or block. The picture shows the last two: the gradient above, the error
below.
"""

import argparse
import io
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
    """Return one row per epoch, and the recorded gradients and errors over depth."""
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
    recorders = outcome.recorders
    return outcome.history, recorders.layer_gradients.history, recorders.depth_flow.history


def convolutions_of(history):
    """Return the gradients without those of the batch normalisations between."""
    places = [i for i, name in enumerate(history["layers"]) if name.endswith("/convolution")]
    names = [history["layers"][i].removesuffix("/convolution") for i in places]
    tables = {name: history[name][:, places] for name in ("norm", "ratio")}
    return {"step": history["step"], "layers": names, **tables}


def print_ends(title, name, table, steps_of_epoch):
    """Print the values of the first and the last layer, at first and in the last epoch."""
    import numpy as np

    for when, rows in (("first recorded step", table[:1]), ("last epoch", table[-steps_of_epoch:])):
        first, *_, last = np.median(rows, axis=0)
        print(f"{title}: {when}: {name}: first {first:.2g}, last {last:.2g}", flush=True)


def save_stacked(figures, path):
    """Write figures below one another as one PNG file."""
    from errorflow.pipelines.core.files import atomic
    from PIL import Image

    pictures = []
    for figure in figures:
        figure.savefig(content := io.BytesIO(), dpi=150, format="png")
        pictures.append(Image.open(content).convert("RGB"))
    size = max(one.width for one in pictures), sum(one.height for one in pictures)
    whole, top = Image.new("RGB", size, "white"), 0
    for one in pictures:
        whole.paste(one, (0, top))
        top += one.height
    with atomic(path) as temporary:
        whole.save(temporary, "PNG")


def main():
    args = options()
    from errorflow.callbacks.drawing import figures
    from errorflow.callbacks.recording.depth_tables import without_outputs

    gradients, errors = {}, {}
    for skip, title in TITLES.items():
        with tempfile.TemporaryDirectory() as folder:
            rows, of_weights, of_outputs = train(args, skip, folder)
        gradients[title] = convolutions_of(of_weights)
        errors[title] = without_outputs(of_outputs)
        print(f"{title}: training loss", *(f"{row['loss']:.3f}" for row in rows))
        print(f"{title}: validation accuracy", *(f"{row['val_accuracy']:.3f}" for row in rows))
        for name, table in (
            ("‖dE/dW‖", gradients[title]["norm"]),
            ("‖dE/dW‖ / ‖W‖", gradients[title]["ratio"]),
            ("‖dE/da‖", errors[title]["rms"]),
        ):
            print_ends(title, name, table, len(table) // args.epochs)
    of_gradients = figures.layer_gradients(gradients, "ratio")
    save_stacked([of_gradients, figures.depth_flow(errors)], args.picture)
    print(args.picture)


if __name__ == "__main__":
    main()
