"""What each of several workers computes in tests/pipelines/test_workers.py, and one process too.

    python tests/workers.py DATA OUT TRAINING…

trains small models on the files in DATA, under the strategy that TF_CONFIG asks for, and writes
what it found to OUT.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BATCH, STEPS = 8, 5
TASKS = {  # trained as `errorflow <task> train` does; the norm of the gradients is above the limit
    "names": "--units 5 --embedding 4 --dropout 0 --clip-norm 0.05 --batch-size 16 --epochs 2"
    " --jit off --learning-rate 0.01",
    "images": "--model convnet --width 0.25 --dropout 0 --batch-size 8 --image-size 12 --epochs 1"
    " --jit off --limit 40",
}
# Of DepthFlow, what does not depend on how a batch is divided, unlike the share of dead units.
OVER_DEPTH = ("step", "rms", "max", "mean", "std", "path_rms", "path_max")
OWN_MODELS = {  # options of `train_own_model`; the tasks have one step per execution without XLA
    "jit": {"jit": True},
    "several steps per execution": {"steps_per_execution": 3},
}


def network(normalized: bool) -> Any:
    """Ids [B, T] → the class of each step, masked, and that of the sequence."""
    import keras
    from errorflow.layers import LSTM

    ids = keras.Input([None], dtype="int32")
    x = keras.layers.Embedding(6, 3, mask_zero=True)(ids)
    x = LSTM(4, return_sequences=True)(x)
    steps = keras.layers.Dense(3, activation="softmax", name="steps")(x)
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    if normalized:
        pooled = keras.layers.BatchNormalization()(pooled)
    label = keras.layers.Dense(2, activation="softmax", name="label")(pooled)
    return keras.Model(ids, {"steps": steps, "label": label})


def examples(count: int) -> tuple[Any, dict[str, Any]]:
    """Ids of 1 to 6 steps, padded with 0: the shares of a batch differ in valid steps."""
    import numpy as np

    random = np.random.default_rng(0)
    ids = random.integers(1, 6, [count, 6])
    ids[np.arange(6) >= random.integers(1, 7, [count, 1])] = 0
    return ids, {"steps": ids % 3, "label": (ids.sum(axis=1) > 9).astype(int)}


def train_own_model(
    strategy: Any, logs: Path, jit: bool = False, steps_per_execution: int = 1
) -> Any:
    """Train with plain Keras and tf.data, on errorflow's loss and optimizer, and record it."""
    import keras
    import tensorflow as tf
    from errorflow.pipelines.training import over_replicas

    keras.utils.set_random_seed(1)
    with strategy.scope():
        plain = network(normalized=not jit)
        model, jit_compile = over_replicas.make_model(plain, jit)
        model.compile(
            over_replicas.make_optimizer(
                keras.optimizers.SGD, learning_rate=0.5, momentum=0.9, global_clipnorm=0.1
            ),
            over_replicas.make_loss(dict.fromkeys(plain.output, "sparse_categorical_crossentropy")),
            loss_weights={"steps": 1.0, "label": 0.5},
            metrics={"label": ["accuracy"]},
            weighted_metrics={"steps": ["accuracy"]},
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data: Any = examples(BATCH * STEPS)
    batches = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
    batches = batches.with_options(options)
    recorders = make_recorders(data[0][:4], logs)
    history = model.fit(
        batches, validation_data=batches.take(2), epochs=2, verbose=0, callbacks=recorders
    ).history
    evaluated = model.evaluate(batches, verbose=0, return_dict=True)
    found = {"history": history, "evaluated": evaluated}
    return found, model.get_weights(), [*records(recorders, strategy, logs, jit)]


def make_recorders(ids: Any, logs: Path) -> list[Any]:
    from errorflow.callbacks import DepthFlow, EarlyWarning, ErrorFlow, Gates, LayerGradients

    # Without `probe`: one process alone would measure the examples of its first batch.
    gradients, flow = LayerGradients(logs), ErrorFlow(logs, probe=False)
    warning = EarlyWarning(gradients, flow, log_dir=logs)
    return [gradients, flow, Gates(ids, logs), DepthFlow(logs), warning]


def records(recorders: list[Any], strategy: Any, logs: Path, compiled: bool) -> Iterator[Any]:
    """All tables in their order, the losses that were read, and the rows to go on from.

    If XLA compiles the network of several workers, DepthFlow cannot record it.
    """
    import numpy as np
    from errorflow.callbacks.recording.event_reader import recorded_rows_of_chief

    gradients, flow, gates, depth, warning = recorders
    over_depth = {} if compiled else {name: depth.history[name] for name in OVER_DEPTH}
    if over_depth:  # a deviation far below the mean is mostly the rounding of the sums
        over_depth["std"] = np.hypot(over_depth["mean"], over_depth["std"])
    for history in ({"": gradients.history}, flow.history, gates.history, {"": over_depth}):
        for _, tables in sorted(history.items()):
            yield from (table for name, table in tables.items() if name != "layers")
    yield np.array(warning.state()["losses"])
    recorded = recorded_rows_of_chief(strategy, logs / "train", until=10**6)
    for (kind, _), (rows, *_) in recorded.items():
        if kind == "depth_flow" and compiled:
            continue
        kept = [kind != "depth_flow" or name != "dead" for name in rows.statistics]
        values = rows.values if all(kept) else rows.values[kept]
        yield from (rows.steps, rows.lengths, values)


def train_task(task: str, flags: str, data: Path, out: Path, strategy: Any) -> Any:
    """Train as `errorflow <task> train` does, without what comes after."""
    from errorflow.pipelines.core.run_folder import RunFolder
    from errorflow.pipelines.core.run_lifecycle import begin_in
    from errorflow.pipelines.dispatch import training_config
    from errorflow.pipelines.registry import load_task
    from errorflow.pipelines.training import workflow
    from errorflow.pipelines.training.data_report import read_data

    chosen = load_task(task)
    arguments = ["--data-dir", str(data / task), "--strategy", "auto", *flags.split()]
    config = training_config(chosen, arguments)[0].resolved()
    run = begin_in(RunFolder(out / task), task, config, {})
    weights: list[Any] = []
    outcome = workflow.train_in(
        run,
        chosen,
        config,
        read_data(chosen, config),
        strategy,
        callbacks=lambda spec, _: [weights_at_end(spec, weights)],
    )
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in outcome.history]
    return {"history": rows}, weights


def weights_at_end(spec: Any, weights: list[Any]) -> Any:
    import keras

    return keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: weights.extend(spec.network.get_weights())
    )


def results(
    trainings: Sequence[str], strategy: Any, data: Path, out: Path
) -> Iterator[tuple[str, Any, list[Any]]]:
    for name in trainings:
        if name in TASKS:
            yield name, *train_task(name, TASKS[name], data, out, strategy)
            continue
        logs = out / f"logs of {name}"
        found, weights, recorded = train_own_model(strategy, logs, **OWN_MODELS[name])
        yield name, found, weights
        yield f"records of {name}", {"event files": len([*logs.rglob("events*")])}, recorded


def main(data: Path, out: Path, trainings: Sequence[str]) -> None:
    from errorflow.pipelines.core import devices
    from errorflow.pipelines.core.cluster import training_cluster
    from errorflow.pipelines.core.config import Hardware

    hardware = Hardware(device="cpu", strategy="auto")
    strategy = devices.start(hardware, training_cluster(hardware.strategy))
    import numpy as np

    out.mkdir(parents=True)
    figures = {}
    for name, found, weights in results(trainings, strategy, data, out):
        figures[name] = found
        np.savez(out / f"{name}.npz", *weights)
        (out / "figures.json").write_text(json.dumps(figures, default=float))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
