"""The rows of a batch are put together from those of its shares."""

import numpy as np
from errorflow.layers.rnn.row_merging import Shares, merge_shares
from errorflow.layers.rnn.row_ring import Row

MERGES = np.array([["sum"], ["max"], ["count"]])


def row(values, steps, order=0):
    return Row({"order": order, "examples": 2}, np.array(values, float), steps)


def merged(*shares):
    [ring] = merge_shares(None, [Shares(shares, (4, 8), ("order", "examples"), MERGES)])
    return ring.rows


def test_sums_and_counts_are_added_and_of_maxima_the_largest_stays():
    [both] = merged([row([[[1, 2], [1, 5], [2, 2]]], 2)], [row([[[3, 4], [2, 4], [2, 1]]], 2)])
    np.testing.assert_array_equal(both.values, [[[4, 6], [2, 5], [4, 3]]])
    assert both.labels == {"order": 0, "examples": 4}


def test_shares_of_different_lengths_begin_together_and_end_together():
    [both] = merged([row([[[1], [1], [1]]], 1)], [row([[[1, 2, 3], [1, 2, 3], [1, 1, 1]]], 3)])
    from_start, from_end = both.values
    np.testing.assert_array_equal(from_start, [[2, 2, 3], [1, 2, 3], [2, 1, 1]])
    np.testing.assert_array_equal(from_end, [[1, 2, 4], [1, 2, 3], [1, 1, 2]])


def test_a_row_that_one_share_has_no_room_for_is_left_out():
    [both] = merged([row(np.zeros([1, 3, 2]), 2)], [row(np.zeros([1, 3, 0]), 9)])
    assert both.is_left_out
    assert both.steps == 9


def test_a_row_that_one_share_has_lost_is_lost():
    early, late = (row(np.ones([1, 3, 2]), 2, order) for order in (0, 1))
    [both] = merged([early, late], [late])
    assert both.labels["order"] == 1
