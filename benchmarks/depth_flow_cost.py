"""What does recording the error over depth cost, as a fraction of the training step?

    python benchmarks/depth_flow_cost.py          # ResNet-20, 32×32 images, B=128
    python benchmarks/depth_flow_cost.py --jit    # compiled by XLA

Contestants train in `fit` in turns, one batch that is repeated: without callbacks, with DepthFlow
(without and with event files), and with LayerGradients. All that the callbacks do is included. The
script prints the median step of each, and two ratios to the step without callbacks, each the median
over the rounds with the quartiles: of the wall-clock time, and of the processor seconds of all
threads, which depend less on what else the machine does. A second contestant without callbacks
shows the noise.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contestant")
    parser.add_argument("--steps", type=int, default=5, help="training steps of a turn")
    parser.add_argument("--batch", type=int, default=128, help="examples of a batch")
    parser.add_argument("--model", default="resnet20", help="a network of `images`, see resnet.py")
    parser.add_argument("--every", type=int, default=1, help="record every n-th training step")
    parser.add_argument("--jit", action="store_true", help="compile the training step by XLA")
    return parser.parse_args()


def turn_of(args, callbacks):
    """Return a function that trains some steps and returns the wall-clock and processor seconds."""
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.pipelines.models.resnet import resnet

    model = resnet(args.model, (32, 32, 3), 10)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=args.jit)
    random = np.random.default_rng(0)
    x = random.random((args.batch, 32, 32, 3), dtype="float32")
    data = tf.data.Dataset.from_tensors((x, random.integers(0, 10, args.batch)))
    data = data.cache().repeat(args.steps)

    def turn():
        wall, processors = time.perf_counter(), time.process_time()
        model.fit(data, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - wall, time.process_time() - processors

    return turn


def main():
    args = options()
    from errorflow.callbacks import DepthFlow, LayerGradients

    with tempfile.TemporaryDirectory() as folder:
        callbacks = {
            "none": [],
            "none, again": [],
            "DepthFlow": [DepthFlow(every=args.every)],
            "DepthFlow, event files": [DepthFlow(folder, every=args.every)],
            "LayerGradients": [LayerGradients(every=args.every)],
        }
        turns = {name: turn_of(args, own) for name, own in callbacks.items()}
        for turn in turns.values():
            turn()  # trace and compile
        seconds = {name: [] for name in turns}
        for _ in range(args.rounds):
            for name, turn in turns.items():
                seconds[name].append(turn())
    for name, turns_of in seconds.items():
        step = 1e3 * statistics.median(wall for wall, _ in turns_of) / args.steps
        wall, processors = (ratios(turns_of, seconds["none"], place) for place in (0, 1))
        print(f"{name:24} {step:7.1f} ms   wall {wall}   processors {processors}")


def ratios(turns, base, place):
    """Return the median and the quartiles of the rounds' ratios, as a text."""
    values = [own[place] / other[place] for own, other in zip(turns, base, strict=True)]
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
