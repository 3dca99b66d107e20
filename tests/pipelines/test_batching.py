"""Batches of sequences in a few padded shapes."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.training.batching import Batches
from errorflow.pipelines.training.feeding import divided
from errorflow.pipelines.training.padded_shapes import padded_lengths, padded_shapes
from errorflow.pipelines.training.shares import Share, validation_edges

SIZE = 8


@pytest.fixture
def batches() -> Batches:
    random = np.random.default_rng(0)
    lengths = np.append(random.integers(1, 8, 96), [20] * 5)
    ids = np.where(np.arange(20) < lengths[:, None], 5, 0).astype(np.int32)
    ids[:, 0] = np.arange(1, 102)  # the first id identifies the example
    return Batches(lengths, taking(ids, np.arange(101, dtype=np.float32)), SIZE, seed=3)


def taking(*arrays):
    """ids [N, T] cut to the batch's length, and what belongs to them."""
    ids, *others = arrays
    return lambda chosen, length: (ids[chosen, :length], *(array[chosen] for array in others))


def test_an_epoch_has_every_example_once_and_full_batches_in_a_few_shapes(batches):
    plan = batches.plan(epoch=0)
    examples = np.concatenate([indices for indices, _ in plan])
    assert len(plan) == batches.steps == -(-101 // SIZE)
    assert all(len(indices) == SIZE for indices, _ in plan)
    assert set(examples) == set(range(101))
    assert len(examples) - 101 < SIZE  # the last batch is filled up
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


def test_an_epoch_of_several_passes_has_every_example_in_each(batches):
    twice = dataclasses.replace(batches, passes=2)
    plan, half = twice.plan(epoch=1), batches.steps
    assert len(plan) == twice.steps == 2 * half
    for part in (plan[:half], plan[half:]):
        assert {*np.concatenate([indices for indices, _ in part])} == set(range(101))


def test_fewer_examples_than_a_batch_still_fill_one():
    few = Batches(np.array([2, 1, 2]), taking(np.ones([3, 2], np.int32)), SIZE, seed=0)
    ((indices, length),) = few.plan(0)
    assert set(indices) == {0, 1, 2}
    assert (len(indices), length) == (SIZE, 2)


def test_the_dataset_is_the_plan(batches):
    batches = dataclasses.replace(batches, epoch=2)
    from_dataset = list(batches.dataset().as_numpy_iterator())
    for (ids, who), (indices, length) in zip(from_dataset, batches.plan(2), strict=True):
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
    examples = np.concatenate([of for _, of in pairs.in_order().as_numpy_iterator()])
    assert sorted(map(tuple, examples)) == sorted(map(tuple, lengths))


def test_all_pairs_are_in_batches_that_hold_both_sequences():
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


def test_validation_has_every_example_once_without_repetition(batches):
    ids = np.concatenate([x[:, 0] for x, _ in batches.in_order().as_numpy_iterator()])
    assert sorted(ids) == list(range(1, 102))


def test_each_epoch_takes_one_example_of_each_group_and_all_in_time(batches):
    """Of 101 examples up to five each are of the same."""
    of = np.arange(101) // 5
    feed = Batches(batches.lengths, batches.take, SIZE, seed=3, groups=of)
    drawn = set()
    for epoch in range(60):
        plan = feed.plan(epoch)
        assert len(plan) == feed.steps == 3  # of 8, for 21
        chosen = np.concatenate([chosen for chosen, _ in plan])
        assert {*of[chosen]} == {*of}
        drawn |= {*chosen}
    assert drawn == {*range(101)}


def test_every_replica_has_an_example_of_each_validation_batch(two_replicas):
    """They share the first batch evenly."""
    lengths = np.full(7, 3)
    few = Batches(lengths, lambda i, length: (i.astype(np.int32),), 16, seed=0)
    assert [len(i) for (i,) in few.in_order().as_numpy_iterator()] == [7]
    with two_replicas.scope():
        order = [i for (i,) in few.in_order().as_numpy_iterator()]
    assert [len(i) for i in order] == [4, 3]
    assert sorted(np.concatenate(order)) == [*range(7)]
    with two_replicas.scope():
        odd = Batches(lengths, few.take, 5, seed=0)
    assert [len(indices) for indices, _ in odd.plan(0)] == [6, 6]
    for count in (1, 3):
        too_few = Batches(lengths[:count], few.take, 16, seed=0)
        with two_replicas.scope(), pytest.raises(UserError, match=f"{count} validation examples"):
            too_few.in_order()


def test_no_number_of_validation_examples_leaves_a_replica_without_any(two_replicas):
    with two_replicas.scope():
        for count, size in itertools.product(range(4, 40), (2, 4, 8)):
            sizes = np.diff([0, *validation_edges(count, size), count])
            assert sizes.sum() == count
            assert sizes[0] % 2 == 0
            assert 2 <= sizes.min() <= sizes.max() <= size + 1


@pytest.mark.parametrize("processes, devices", [(1, 2), (2, 1), (2, 2)])
def test_the_shares_of_all_processes_are_the_batches_of_one(batches, processes, devices):
    """In each epoch, in the same order; a validation too, whose last batch is smaller."""
    replicas = processes * devices
    shares = [Share(devices * n, devices, replicas) for n in range(processes)]

    def joined(feeds, steps):
        iterators = [feed.as_numpy_iterator() for feed in feeds]
        return [
            np.concatenate([next(it)[1] for it in iterators for _ in range(devices)])
            for _ in range(steps)
        ]

    feeds = [batches.share(share) for share in shares]
    whole = [indices for epoch in (0, 1) for indices, _ in batches.plan(epoch)]
    np.testing.assert_array_equal(joined(feeds, len(whole)), whole)
    assert all(feed.cardinality() == tf.data.INFINITE_CARDINALITY for feed in feeds)
    validation = batches.in_order()
    again = joined([divided(validation, share) for share in shares], 2 * batches.steps)
    for one, other in zip(again, 2 * [x for _, x in validation.as_numpy_iterator()], strict=True):
        np.testing.assert_array_equal(one, other)
