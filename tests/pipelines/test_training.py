"""Training: compiling, checkpoints, and resuming after a stop."""

import random
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from errorflow.callbacks import LayerGradients
from errorflow.pipelines import names
from errorflow.pipelines.core import run_lifecycle as lifecycle
from errorflow.pipelines.core.backup import Backup
from errorflow.pipelines.core.config import Optimisation, TrainingConfig, replace
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.training import session, summary, workflow
from errorflow.pipelines.training.checkpoint import RunCheckpoint
from errorflow.pipelines.training.class_weights import balanced_loss, class_weights
from errorflow.pipelines.training.compile_time import compiling
from errorflow.pipelines.training.few_examples import Fitted, fit
from errorflow.pipelines.training.loop import OPTIMIZERS, Outcome, Recorders, compile_training
from errorflow.pipelines.training.spec import TrainingSpec

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_with_and_without_weight_decay(optimizer):
    """One step: the weight that no gradient reaches stays, or shrinks by rate times decay."""
    for decay in (0.0, 0.5):
        x = keras.Input([2])
        network = keras.Model(x, keras.layers.Dense(1, use_bias=False)(x))
        settings = Optimisation(optimizer=optimizer, weight_decay=decay, learning_rate=0.1)
        config = TrainingConfig(network=None, optimisation=settings)
        network.set_weights([np.ones([2, 1])])
        model = compile_training(spec_of(network), config)
        model.train_on_batch(np.array([[1.0, 0.0]]), np.zeros([1, 1]))
        moved, still = network.get_weights()[0][:, 0]
        assert moved < still == pytest.approx(1 - 0.1 * decay, rel=1e-6)


@pytest.mark.parametrize("size", [17, "online"])
def test_a_batch_that_devices_cannot_share_evenly_is_refused(two_replicas, monkeypatch, size):
    monkeypatch.setattr(session.devices, "start", lambda *_: two_replicas)
    message = rf"--batch-size {size}: 2 devices .* choose a multiple of 2"
    with pytest.raises(UserError, match=message):
        session.start(replace(NamesConfig(), batch_size=size))


def test_a_seed_holds_however_many_random_numbers_the_data_took(tmp_path):
    """Preparing data for the first time draws random numbers."""
    numbers = []

    def stop(*_):
        numbers.append((random.random(), np.random.random(), float(keras.random.uniform([]))))
        raise UserError("enough")

    def read(*_):
        random.random(), np.random.random(), keras.random.uniform([])
        splits = dict.fromkeys(("train", "validation", "test"), ())
        empty = dict.fromkeys(("labels", "problems", "left_out"), ())
        return SimpleNamespace(source="", content_hash="", counts={}, **empty, **splits)

    class Task(names.Names):
        build_training = staticmethod(stop)
        read_data = staticmethod(lambda config, found: None)

    config = replace(NamesConfig(), run_dir=tmp_path, seed=3)
    for read_data in (read, lambda config, found: [read(config, found), read(config, found)][0]):
        task = Task()
        task.read_data = read_data
        with pytest.raises(UserError, match="enough"):
            workflow.train(task, config)
    assert numbers[0] == numbers[1]


# The checkpoint


@pytest.fixture
def config(tmp_path: Path) -> NamesConfig:
    return replace(NamesConfig(), run_dir=tmp_path, name="a", epochs=9, patience=3)


class Examples:
    """Ten fixed examples in an order that depends on the epoch."""

    epoch, steps = 0, 5

    def dataset(self):
        import tensorflow as tf

        def generate():
            random = np.random.default_rng(self.epoch)
            for _ in range(self.steps):
                x = random.normal(size=[4, 3]).astype(np.float32)
                yield x, x.sum(axis=1, keepdims=True)

        spec = (tf.TensorSpec([4, 3]), tf.TensorSpec([4, 1]))
        data = tf.data.Dataset.from_generator(generate, output_signature=spec)
        return data.apply(tf.data.experimental.assert_cardinality(self.steps))


def network() -> keras.Model:
    """A network with all kinds of state: momenta, a schedule, dropout's random state."""
    layers = [keras.Input([3]), keras.layers.Dense(4), keras.layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 60)
    model.compile(keras.optimizers.Adam(schedule), loss="mse", jit_compile=False)
    return model


def begin(config: NamesConfig) -> RunFolder:
    return lifecycle.begin_in(lifecycle.folder_to_train_in("t", config), "t", config, {})


def spec_of(network: keras.Model) -> TrainingSpec:
    return TrainingSpec(
        network=network,
        serving_model=network,
        train_data=Examples(),
        validation_data=None,
        loss="mse",
        metrics=None,
        monitor="loss",
        mode="min",
    )


def checkpoint(run: RunFolder, config: NamesConfig, model: keras.Model) -> RunCheckpoint:
    return RunCheckpoint(run, config.optimisation, spec_of(model))


def train(run: RunFolder, config: NamesConfig, until: int, seed: int) -> RunCheckpoint:
    """Train to epoch `until` with a new model and a new checkpoint, as a new process would."""
    keras.utils.set_random_seed(seed)
    model = network()
    callback = checkpoint(run, config, model)
    done = callback.restore(model)
    model.fit(
        callback.spec.train_data.dataset(),
        initial_epoch=done,
        epochs=done if callback.is_exhausted else until,
        callbacks=[callback],
        verbose=0,
        shuffle=False,
    )
    return callback


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_resumed_training_equals_an_uninterrupted_one(config, is_damaged):
    """Also if the newest of the two generations of its backup is damaged."""
    config = replace(config, patience=0)
    straight = train(begin(config), config, until=6, seed=5)
    run = begin(replace(config, name="b"))
    train(run, config, until=3, seed=5)
    if is_damaged:
        (run.backup / "epoch-0003.weights.h5").write_bytes(b"")
    resumed = train(run, config, until=6, seed=99)  # the new model's own weights are overwritten
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4, 5, 6]
    for key in ("loss", "learning_rate"):
        assert [row[key] for row in straight.history] == [row[key] for row in resumed.history]
    assert (straight.best_epoch, straight.epochs_waited) == (
        resumed.best_epoch,
        resumed.epochs_waited,
    )
    weights = [callback.model.get_weights() for callback in (straight, resumed)]
    for expected, actual in zip(*weights, strict=True):
        np.testing.assert_array_equal(expected, actual)
    assert len(read_history(run)) == 6
    assert len(list(run.backup.glob("*.weights.h5"))) == 2


def report_losses(
    callback: RunCheckpoint, losses: list[float], first: int = 0, **others: list[float]
) -> None:
    """Let the checkpoint see epochs with these losses and other figures."""
    model = network()
    model.optimizer.build(model.trainable_variables)
    callback.set_model(model)
    model.stop_training = False
    for number, loss in enumerate(losses):
        callback.on_epoch_begin(first + number)
        figures = {name: values[number] for name, values in others.items()}
        callback.on_epoch_end(first + number, {"loss": loss} | figures)
        if model.stop_training:
            return


def test_best_value_and_patience_are_remembered_over_a_resume(config):
    run, model = begin(config), network()
    report_losses(checkpoint(run, config, model), [0.9, 0.1, 0.5])
    best = run.best.read_bytes()
    again = checkpoint(run, config, model)
    assert again.restore(network()) == 3
    report_losses(again, [0.3, 0.4, 0.01], first=3)  # patience 3: 0.5, 0.3, 0.4 are none better
    assert (again.best_epoch, again.epochs_waited, len(again.history)) == (2, 3, 5)
    assert again.is_exhausted
    assert again.ending == "no better loss for 3 epochs"
    assert run.best.read_bytes() == best


def test_the_validation_loss_decides_between_equal_values(config):
    """Also after a resume: a few validation texts have few values of macro-F1."""
    run, model = begin(config), network()
    report_losses(checkpoint(run, config, model), [0.5, 0.5, 0.5], val_loss=[0.3, 0.2, 0.4])
    again = checkpoint(run, config, model)
    again.restore(network())
    report_losses(again, [0.5], first=3, val_loss=[0.25])
    assert (again.best_epoch, again.epochs_waited) == (2, 2)


def epochs_kept(run: RunFolder) -> int:
    restart = Backup(run).restart()
    return 0 if restart is None else restart.generation.epochs


def test_a_nan_loss_stops_training_and_is_not_recorded(config):
    run = begin(config)
    callback = checkpoint(run, config, network())
    report_losses(callback, [0.5, float("nan"), 0.4])
    assert callback.failure == "the loss is no longer a number (nan in epoch 2)"
    assert len(callback.history) == 1
    assert epochs_kept(run) == 1


# Compile time


def test_compile_time_is_the_extra_time_of_the_first_step_of_each_shape():
    shapes, seconds = [8, 8, 20, 8, 20, 30], [5.0, 1.0, 7.0, 1.0, 2.0, 4.0]
    assert compiling(shapes, seconds) == (5 - 1) + (7 - 2) + (4 - 3)  # 30 came once: the median, 3


def test_a_resumed_run_that_had_no_epoch_left_keeps_its_findings(config):
    run = begin(config)
    run.update(
        verdict=["rnn_1: the error halves"], findings=[{"layer": "rnn_1", "kind": "vanishing"}]
    )
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    outcome = Outcome(
        history=[{"epoch": 1, "loss": 2.0, "val_loss": 1.0}],
        best_epoch=1,
        ending="all 1 epochs done",
        seconds=1,
        compile_seconds=None,
        recorders=Recorders(LayerGradients(), None, None, None),
    )
    summary.write_results(run, spec_of(model), outcome)
    assert run.results()["verdict"] == ["rnn_1: the error halves"]
    assert run.results()["findings"] == [{"layer": "rnn_1", "kind": "vanishing"}]
    assert run.results()["epochs"] == 1


def test_class_weights_have_mean_one_and_decrease_with_the_share():
    labels = np.array([0] * 8 + [1] * 2)
    weights = class_weights(labels, 0.5)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(2)
    np.testing.assert_array_equal(class_weights(labels, 0.0), [1, 1])


def test_a_balanced_loss_weighs_each_label_by_its_class():
    """As for tags, [B, T]; the third class has no training example."""
    labels, true = np.array([0] * 8 + [1] * 2), np.array([[0, 1], [1, 2]])
    probabilities = np.full([2, 2, 3], 1 / 3, np.float32)
    losses = balanced_loss(labels, 1.0, classes=3)(true, probabilities)
    expected = np.log(3) * class_weights(labels, 1.0, classes=3)[true]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert balanced_loss(labels, 0.0, classes=3) == "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    ("count", "fitted"),
    [(6, Fitted(8, 20)), (48, Fitted(8, 4)), (160, Fitted(8)), (10_000, Fitted(32))],
)
def test_few_examples_make_small_batches_and_several_passes_per_epoch(count, fitted, capsys):
    assert fit("auto", count, largest=32, epochs=30) == fitted
    assert (f"{count} training examples: batches of 8" in capsys.readouterr().err) == (count < 200)


def test_a_batch_size_that_is_set_holds_however_few_the_examples(capsys):
    for size, examples in {16: 16, "online": 1, "full": 48}.items():
        assert fit(size, 48, largest=32, epochs=30) == Fitted(examples)
    assert not capsys.readouterr().err
