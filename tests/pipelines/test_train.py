"""What training keeps and brings back, and the batches it is fed."""

import dataclasses
import itertools
import random
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from errorflow.pipelines import names
from errorflow.pipelines.core import run_folder as runs
from errorflow.pipelines.core.config import CommonConfig, UserError
from errorflow.pipelines.core.files import read_json
from errorflow.pipelines.text_classification import training as text_labels
from errorflow.pipelines.training import summary as report
from errorflow.pipelines.training import workflow as task
from errorflow.pipelines.training.batching import Batches, padded_lengths, padded_shapes
from errorflow.pipelines.training.checkpoint import Keeper
from errorflow.pipelines.training.compile_time import compiling
from errorflow.pipelines.training.loop import OPTIMIZERS, Job, compiled

SIZE = 8


@pytest.fixture
def batches() -> Batches:
    random = np.random.default_rng(0)
    lengths = np.append(random.integers(1, 8, 96), [20] * 5)
    ids = np.where(np.arange(20) < lengths[:, None], 5, 0).astype(np.int32)
    ids[:, 0] = np.arange(1, 102)  # who is who
    return Batches(lengths, taking(ids, np.arange(101, dtype=np.float32)), SIZE, seed=3)


def taking(*arrays):
    """ids [N, T] cut to the batch's length, and what belongs to them."""
    ids, *others = arrays
    return lambda chosen, length: (ids[chosen, :length], *(array[chosen] for array in others))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_with_and_without_weight_decay(optimizer, batches):
    """One step: the weight that no gradient reaches stays, or shrinks by rate times decay."""
    for decay in (0.0, 0.5):
        x = keras.Input([2])
        core = keras.Model(x, keras.layers.Dense(1, use_bias=False)(x))
        config = CommonConfig(optimizer=optimizer, weight_decay=decay, learning_rate=0.1)
        job = Job(
            run=None,
            config=config,
            core=core,
            package=core,
            feed=batches,
            validation=None,
            loss="mse",
            metrics=None,
            monitor="loss",
        )
        core.set_weights([np.ones([2, 1])])
        compiled(job).train_on_batch(np.array([[1.0, 0.0]]), np.zeros([1, 1]))
        moved, still = core.get_weights()[0][:, 0]
        assert moved < still == pytest.approx(1 - 0.1 * decay, rel=1e-6)


def test_an_epoch_has_every_example_once_and_full_batches_in_a_few_shapes(batches):
    plan = batches.plan(epoch=0)
    seen = np.concatenate([indices for indices, _ in plan])
    assert len(plan) == batches.steps == -(-101 // SIZE)
    assert all(len(indices) == SIZE for indices, _ in plan)
    assert set(seen) == set(range(101))
    assert len(seen) - 101 < SIZE  # the last batch is filled up
    assert {length for _, length in plan} == set(batches.padded)
    assert batches.shapes(0) == [length for _, length in plan]
    assert all(batches.lengths[indices].max() <= length for indices, length in plan)


def test_the_order_depends_on_seed_and_epoch_alone(batches):
    def order(seed, epoch):
        plan = dataclasses.replace(batches, seed=seed).plan(epoch)
        return [tuple(indices) for indices, _ in plan]

    assert order(3, 1) == order(3, 1)
    assert order(3, 1) != order(3, 2)
    assert order(3, 1) != order(4, 1)


def test_fewer_examples_than_a_batch_still_fill_one():
    few = Batches(np.array([2, 1, 2]), taking(np.ones([3, 2], np.int32)), SIZE, seed=0)
    ((indices, length),) = few.plan(0)
    assert set(indices) == {0, 1, 2}
    assert (len(indices), length) == (SIZE, 2)


def test_the_dataset_is_the_plan(batches):
    batches = dataclasses.replace(batches, epoch=2)
    given = list(batches.dataset().as_numpy_iterator())
    for (ids, who), (indices, length) in zip(given, batches.plan(2), strict=True):
        assert ids.shape == (SIZE, length)
        np.testing.assert_array_equal(ids[:, 0] - 1, indices)
        np.testing.assert_array_equal(who, indices)


def test_padded_lengths_are_the_best_of_all_choices():
    lengths = np.random.default_rng(1).geometric(0.15, 300)
    values = np.unique(lengths)

    def padded(chosen):
        chosen = np.array(chosen)
        return chosen[np.searchsorted(chosen, lengths)].sum()

    best = min(padded((*few, values[-1])) for few in itertools.combinations(values[:-1], 2))
    assert padded(padded_lengths(lengths, 3)) == best


@pytest.mark.parametrize("longest", [1, 12, 400])
def test_a_handful_of_lengths_keeps_padding_below_a_tenth(longest):
    lengths = np.random.default_rng(2).integers(1, longest + 1, 5000)
    many = Batches(lengths, taking(np.ones([5000, longest], np.int32)), SIZE, seed=0)
    assert len(many.padded) <= 16
    assert many.padding < 0.1


def test_pairs_share_a_few_shapes_that_hold_both_their_sequences():
    random = np.random.default_rng(4)
    sources = random.integers(1, 25, 3000)
    lengths = np.stack([sources, np.maximum(sources + random.integers(-3, 4, 3000), 1)], axis=1)
    ids = np.where(np.arange(30) < lengths[:, :1], 5, 0)
    pairs = Batches(lengths, lambda i, shape: (ids[i, : shape[0]], lengths[i]), SIZE, seed=0)
    plan = pairs.plan(0)
    assert len(plan) == pairs.steps
    assert {*np.concatenate([indices for indices, _ in plan])} == {*range(3000)}
    assert all((lengths[indices].max(axis=0) <= shape).all() for indices, shape in plan)
    assert len(pairs.padded) <= 16
    assert pairs.padding < 0.1
    for (x, of), (indices, shape) in zip(pairs.dataset().take(9), plan, strict=False):
        assert x.shape == (SIZE, shape[0])
        np.testing.assert_array_equal(of, lengths[indices])
    seen = np.concatenate([of for _, of in pairs.in_order().as_numpy_iterator()])
    assert sorted(map(tuple, seen)) == sorted(map(tuple, lengths))


def test_what_fills_no_batch_of_its_shape_goes_where_both_sequences_fit():
    """Neither of the two shapes holds the other; the last one holds all."""
    lengths = np.array([[1, 9]] * 101 + [[9, 1]] * 101)
    pairs = Batches(lengths, lambda i, shape: (lengths[i],), SIZE, seed=0)
    plan = pairs.plan(0)
    assert {*np.concatenate([indices for indices, _ in plan])} == {*range(202)}
    assert all((lengths[indices].max(axis=0) <= shape).all() for indices, shape in plan)


def test_the_shapes_of_many_long_pairs_are_found_at_once():
    lengths = np.random.default_rng(5).integers(1, 400, [4000, 2])
    shapes = padded_shapes(lengths)
    assert len(shapes) == 16
    assert shapes[-1] == tuple(lengths.max(axis=0))


def test_validation_sees_every_example_once_without_filler(batches):
    ids = np.concatenate([x[:, 0] for x, _ in batches.in_order().as_numpy_iterator()])
    assert sorted(ids) == list(range(1, 102))


def test_an_epoch_takes_one_of_each_and_another_time_another(batches):
    """Of 101 examples up to five each are of the same."""
    of = np.arange(101) // 5
    feed = Batches(batches.lengths, batches.take, SIZE, seed=3, of=of)
    drawn = set()
    for epoch in range(60):
        plan = feed.plan(epoch)
        assert len(plan) == feed.steps == 3  # of 8, for 21
        chosen = np.concatenate([chosen for chosen, _ in plan])
        assert {*of[chosen]} == {*of}
        drawn |= {*chosen}
    assert drawn == {*range(101)}


def test_the_first_batch_of_a_validation_is_shared_evenly_among_replicas(two_replicas):
    lengths = np.full(7, 3)
    few = Batches(lengths, lambda i, length: (i.astype(np.int32),), 16, seed=0)
    assert [len(i) for (i,) in few.in_order().as_numpy_iterator()] == [7]
    with two_replicas.scope():
        given = [i for (i,) in few.in_order().as_numpy_iterator()]
    assert [len(i) for i in given] == [6, 1]
    assert sorted(np.concatenate(given)) == [*range(7)]
    one = Batches(lengths[:1], few.take, 16, seed=0)
    with two_replicas.scope(), pytest.raises(UserError, match="1 validation examples for 2 dev"):
        one.in_order()


def test_a_seed_holds_whatever_the_data_took_of_random_numbers(tmp_path, monkeypatch):
    """Those that are made for the first time take some."""
    given = []

    def job(*_):
        given.append((random.random(), np.random.random(), float(keras.random.uniform([]))))
        raise UserError("enough")

    def read(_):
        random.random(), np.random.random(), keras.random.uniform([])
        return SimpleNamespace(source="", content_hash="", counts={})

    monkeypatch.setattr(text_labels, "make_job", job)
    config = names.NamesConfig(run_dir=tmp_path, seed=3)
    for read_data in (read, lambda config: [read(config), read(config)][0]):
        with pytest.raises(UserError, match="enough"):
            task.train(dataclasses.replace(names.TASK, read_data=read_data), config)
    assert given[0] == given[1]


# The keeper


@pytest.fixture
def config(tmp_path: Path) -> CommonConfig:
    return CommonConfig(run_dir=tmp_path, name="a", epochs=9, patience=3)


class Feed:
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
    """With all that must come back: momenta, a schedule, dropout's random state."""
    layers = [keras.Input([3]), keras.layers.Dense(4), keras.layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 60)
    model.compile(keras.optimizers.Adam(schedule), loss="mse")
    return model


def train(run: runs.Run, config: CommonConfig, until: int, seed: int) -> Keeper:
    """Goes on to epoch `until` with a new model and a new keeper, as a new process would."""
    keras.utils.set_random_seed(seed)
    model, feed = network(), Feed()
    keeper = Keeper(run, config, model, "loss", "min", feed)
    done = keeper.restore(model)
    model.fit(
        feed.dataset(),
        initial_epoch=done,
        epochs=done if keeper.exhausted else until,
        callbacks=[keeper],
        verbose=0,
        shuffle=False,
    )
    return keeper


def test_a_run_that_stopped_goes_on_as_if_it_had_not(config):
    config = dataclasses.replace(config, patience=0)
    straight = train(runs.begin(config, "t", {}), config, until=6, seed=5)
    run = runs.begin(dataclasses.replace(config, name="b"), "t", {})
    train(run, config, until=2, seed=5)
    resumed = train(run, config, until=6, seed=99)  # whatever it starts with is written over
    assert [row["epoch"] for row in resumed.rows] == [1, 2, 3, 4, 5, 6]
    for key in ("loss", "learning_rate"):
        assert [row[key] for row in straight.rows] == [row[key] for row in resumed.rows]
    assert (straight.best_epoch, straight.waited) == (resumed.best_epoch, resumed.waited)
    assert len(runs.read_history(run)) == 6
    assert len(list(run.backup.glob("*.weights.h5"))) == 1


def feed_losses(keeper: Keeper, losses: list[float], first: int = 0) -> None:
    """Lets the keeper see epochs with these losses."""
    model = network()
    model.optimizer.build(model.trainable_variables)
    keeper.set_model(model)
    model.stop_training = False
    for epoch, loss in enumerate(losses, start=first):
        keeper.on_epoch_begin(epoch)
        keeper.on_epoch_end(epoch, {"loss": loss})
        if model.stop_training:
            return


def test_best_value_and_patience_are_remembered_over_a_resume(config):
    run, model = runs.begin(config, "t", {}), network()
    feed_losses(Keeper(run, config, model, "loss", "min", Feed()), [0.9, 0.1, 0.5])
    best = run.best.read_bytes()
    again = Keeper(run, config, model, "loss", "min", Feed())
    assert again.restore(network()) == 3
    feed_losses(again, [0.3, 0.4, 0.01], first=3)  # patience 3: 0.5, 0.3, 0.4 are none better
    assert (again.best_epoch, again.waited, len(again.rows)) == (2, 3, 5)
    assert again.exhausted
    assert again.ending == "no better loss for 3 epochs"
    assert run.best.read_bytes() == best


def test_a_kill_while_writing_costs_one_epoch_at_most(config, monkeypatch):
    run = runs.begin(config, "t", {})
    train(run, config, until=2, seed=5)

    def killed(path, content):
        raise SystemError("power cut")

    monkeypatch.setattr("errorflow.pipelines.training.checkpoint.write_json", killed)
    with pytest.raises(SystemError, match="power cut"):
        train(run, config, until=3, seed=5)
    monkeypatch.undo()
    assert read_json(run.backup / "state.json")["epochs"] == 2
    assert [row["epoch"] for row in train(run, config, until=4, seed=7).rows] == [1, 2, 3, 4]


def test_a_loss_that_is_no_number_stops_and_is_not_kept(config):
    run = runs.begin(config, "t", {})
    keeper = Keeper(run, config, network(), "loss", "min", Feed())
    feed_losses(keeper, [0.5, float("nan"), 0.4])
    assert keeper.failure == "the loss is no longer a number (nan in epoch 2)"
    assert len(keeper.rows) == 1
    assert read_json(run.backup / "state.json")["epochs"] == 1


# Compile time


def test_compiling_is_what_the_first_step_of_each_shape_takes_longer():
    shapes, taken = [8, 8, 20, 8, 20, 30], [5.0, 1.0, 7.0, 1.0, 2.0, 4.0]
    assert compiling(shapes, taken) == (5 - 1) + (7 - 2) + (4 - 3)  # 30 came once: the median, 3


def test_a_run_that_had_no_epoch_left_keeps_what_was_found(config):
    run = runs.begin(config, "t", {})
    run.update(verdict=["rnn_1: the error halves"], findings=[{"kind": "vanishing"}])
    network = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    job = SimpleNamespace(run=run, core=network, feed=None, monitor="val_loss")
    outcome = SimpleNamespace(
        rows=[{"epoch": 1, "loss": 2.0, "val_loss": 1.0}],
        layer_gradients=SimpleNamespace(history={}, findings=list),
        **dict.fromkeys(("best_epoch", "seconds", "compile_seconds"), 1),
        **dict.fromkeys(("ending", "error_flow", "gates")),
    )
    report.keep(job, outcome)
    assert run.results()["verdict"] == ["rnn_1: the error halves"]
    assert run.results()["findings"] == [{"kind": "vanishing"}]
    assert run.results()["epochs"] == 1
