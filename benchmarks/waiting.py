"""How much of a training step does a network wait for its images?

    python benchmarks/waiting.py                    # the images pipeline as it ships
    python benchmarks/waiting.py --model resnet20

The step is the pipeline's own, on its own batches, with all variations. Inside it, the clock is
read before and after the next batch is asked for; printed is the share of that in all of an epoch.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--epochs", type=int, default=3)
    return parser.parse_args()


def main():
    args = options()
    import tensorflow as tf
    from errorflow.pipelines.core.run_folder import Run
    from errorflow.pipelines.images import TASK, ImagesConfig
    from errorflow.pipelines.training import loop as train

    config = ImagesConfig(model=args.model).resolved()
    with tempfile.TemporaryDirectory() as folder:
        job = TASK.tool("make_job")(Run(Path(folder)), config, TASK.read_data(config))
        model = train.compiled(job)

        @tf.function
        def step(batches):
            asked = tf.timestamp()
            batch = next(batches)
            got = tf.timestamp()  # both stand in the order of the program
            model.train_step(batch)
            return got - asked

        for job.feed.epoch in range(args.epochs + 1):
            batches = iter(job.feed.dataset())
            step(batches)  # fills the buffers; in the first epoch, traces too
            began = time.perf_counter()
            waited = [float(step(batches)) for _ in range(job.feed.steps - 1)]
            seconds = time.perf_counter() - began
            if job.feed.epoch:
                mean = 1e3 * seconds / len(waited)
                print(f"{args.model}: {mean:.1f} ms a step, {sum(waited) / seconds:.2%} waiting")


if __name__ == "__main__":
    main()
