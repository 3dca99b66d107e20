"""What do trained weights gain on few images?

    python benchmarks/fine_tuning.py
    python benchmarks/fine_tuning.py --model resnet20 --seeds 1 2 3

A network is trained on the embedded MNIST digits, as `errorflow images train --model MODEL` does.
Then it is trained on other images, 10 per class: from scratch, beginning with the trained weights
(`--weights RUN`), and with these frozen (`--weights RUN --freeze`), each with the augmentation for
digits (`--augment digits`) and otherwise the default settings, except that training on trained
weights has the whole learning rate of the recipe, without a warm-up. The other images, grey on
black as the digits are, with 10 per class for validation too:

* letters: A to Z in fonts that matplotlib ships, rotated, sheared, shifted and blurred at random;
* digits: scikit-learn's, of 8×8 pixels and from other writers (NIST, 43 people), enlarged.

The script prints the accuracy on all other images of these sets: mean (least to largest).
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE, PER_CLASS, TEST_PER_CLASS = 28, 10, 40
WAYS = ("from scratch", "fine-tuned", "frozen")
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif-Italic")
FONTS += ("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3, 4, 5))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=tuple(SETS))
    parser.add_argument("--learning-rate", type=float, default=0.03, help="with trained weights")
    parser.add_argument("--weights", type=Path, help="a run on the digits (default: train one)")
    return parser.parse_args()


def letter(text, random):
    """Return an image of a letter, [28, 28]."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(folder / f"{random.choice(FONTS)}.ttf", int(random.integers(18, 25)))
    image = Image.new("L", (SIZE, SIZE))
    middle = tuple(SIZE / 2 + random.uniform(-2, 2, 2))
    ImageDraw.Draw(image).text(middle, text, fill=255, font=font, anchor="mm")
    shear, shift = random.uniform(-0.25, 0.25), SIZE / 2
    image = image.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR)
    sheared = (1, shear, -shear * shift, 0, 1, 0)
    size = (SIZE, SIZE)
    image = image.transform(size, Image.Transform.AFFINE, sheared, Image.Resampling.BILINEAR)
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))


def letters(random):
    """Return {class: images}."""
    count = 2 * PER_CLASS + TEST_PER_CLASS
    return {c: [letter(c, random) for _ in range(count)] for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def digits(random):
    """Return {class: images}, in a random order."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.clip(pixels.reshape(-1, 8, 8) * 16, 0, 255).astype(np.uint8)
    order = random.permutation(len(images))
    size = (SIZE, SIZE)
    return {
        str(label): [
            Image.fromarray(images[i]).resize(size, Image.Resampling.BILINEAR)
            for i in order
            if labels[i] == label
        ]
        for label in range(10)
    }


SETS = {"letters": letters, "digits": digits}


def write(images, folder):
    """Write the images of each class to train/, val/ and test/."""
    for label, files in images.items():
        ends = {"train": PER_CLASS, "val": 2 * PER_CLASS, "test": len(files)}
        start = 0
        for split, end in ends.items():
            place = folder / split / label
            place.mkdir(parents=True)
            for number in range(start, end):
                files[number].save(place / f"{number:04d}.png")
            start = end


def accuracy(way, args, data, weights, seed, runs):
    """Return the accuracy on the test images of one training, and its seconds."""
    from errorflow import pipelines

    settings = {"data_dir": data, "model": args.model, "seed": seed, "run_dir": runs}
    settings |= {"augment": "digits", "jit": "off"}  # XLA compiles longer than this trains
    if way != "from scratch":
        settings |= {"weights": weights, "freeze": way == "frozen"}
        settings |= {"learning_rate": args.learning_rate}
    results = pipelines.train("images", **settings).results
    return results["test"]["accuracy"], results["seconds"]


def main():
    args = options()
    from errorflow import pipelines

    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        weights = args.weights
        if weights is None:
            run = pipelines.train("images", model=args.model, run_dir=runs, name="mnist")
            weights = run.path
            print(f"{args.model} on MNIST digits: accuracy {run.results['test']['accuracy']:.4f}")
        for name in args.sets:
            figures = {way: [] for way in WAYS}
            for seed in args.seeds:
                data = Path(folder) / f"{name}-{seed}"
                write(SETS[name](np.random.default_rng(seed)), data)
                for way in WAYS:
                    figures[way].append(accuracy(way, args, data, weights, seed, runs))
            for way, rows in figures.items():
                values = sorted(value for value, _ in rows)
                print(
                    f"{name:8} {way:12} mean {statistics.mean(values):.3f} ({values[0]:.3f} to"
                    f" {values[-1]:.3f})  {statistics.median(s for _, s in rows):.0f} s each",
                    flush=True,
                )


if __name__ == "__main__":
    main()
