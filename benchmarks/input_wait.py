"""For what fraction of a training step does a network wait for its images?

    python benchmarks/input_wait.py                    # `errorflow images train`
    python benchmarks/input_wait.py --model resnet20

The training step, its batches and the data augmentation are those of the task `images`. The clock
is read inside the compiled step, before and after the next batch is taken. The script prints the
waiting time as a fraction of the time of an epoch.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="maximum number of training images")
    return parser.parse_args()


def main():
    args = options()
    import tensorflow as tf
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.images import TASK
    from errorflow.pipelines.training.loop import compile_training

    config = replace(TASK.config(), model=args.model, limit=args.limit).resolved()
    spec = TASK.build_training(config, TASK.read_data(config))
    model = compile_training(spec, config)

    @tf.function
    def step(batches):
        before = tf.timestamp()
        batch = next(batches)
        after = tf.timestamp()  # TensorFlow keeps both in the order of the program
        model.train_step(batch)
        return after - before

    data = spec.train_data
    for data.epoch in range(args.epochs + 1):
        batches = iter(data.dataset())
        step(batches)  # fills the buffers; in the first epoch, also traces
        began = time.perf_counter()
        waits = [float(step(batches)) for _ in range(data.steps - 1)]
        seconds = time.perf_counter() - began
        if data.epoch:
            mean = 1e3 * seconds / len(waits)
            share = sum(waits) / seconds
            print(f"{args.model}: {mean:.1f} ms per step, {share:.2%} of it waiting")


if __name__ == "__main__":
    main()
