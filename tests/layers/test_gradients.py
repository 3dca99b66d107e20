"""The gradients of the explicit BPTT are those of automatic differentiation."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from cases import GRU, LSTM, MASKS, RECURRENT, STOCK, each, each_masked, objective, problem
from errorflow import layers
from reference import unrolled

PLAIN, COMPILED = False, True  # values of `training`: they choose plain or compiled loops


def outputs_and_gradients(layer, p, mask, *, training=False, graph=False):
    """[outputs, states] and the gradients of x, the initial states and the weights, as arrays."""

    def run(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, states])
            results = layer(x, initial_state=states, mask=mask, training=training)
            e = objective(results[0], results[1:])
        sources = [x, *states, *(w.value for w in layer.trainable_weights)]
        return results, tape.gradient(e, sources)

    run = tf.function(run, autograph=False) if graph else run
    results, gradients = run(tf.constant(p.x), [tf.constant(s) for s in p.states])
    return [np.array(r) for r in results], [np.array(g) for g in gradients]


def built(make, p, **arguments):
    layer = make(return_state=True, **arguments)
    layer.build(p.x.shape)
    layer.set_weights(p.weights)
    return layer


def assert_close(ours, theirs, tolerance):
    """Each array within `tolerance` of the largest number in it."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.max(np.abs(a - b)) <= tolerance * np.max(np.abs(b))


@each_masked(STOCK, "unmasked", "left", "right")
def test_outputs_and_gradients_are_those_of_keras(case, mask):
    p, valid, sequences = problem(case), MASKS[mask], mask != "right"
    theirs = outputs_and_gradients(built(case.stock, p, return_sequences=sequences), p, valid)
    for training in (PLAIN, COMPILED):
        layer = built(case.make, p, return_sequences=sequences)
        ours = outputs_and_gradients(layer, p, valid, training=training, graph=mask != "left")
        assert_close(ours[0], theirs[0], 1e-5)
        assert_close(ours[1], theirs[1], 1e-5)


@each_masked(RECURRENT, "unmasked")
def test_float64_gradients_are_those_of_the_unrolled_equations(case, mask):
    p, valid = problem(case, "float64"), MASKS[mask]
    sources = [tf.constant(p.x), *map(tf.constant, p.states), *map(tf.constant, p.weights)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        x, states, weights = sources[0], sources[1:-3], sources[-3:]
        e = objective(*unrolled(tf, case.step, x, states, weights, valid))
    theirs = [np.array(g) for g in tape.gradient(e, sources)]

    layer = built(case.make, p, return_sequences=True, dtype="float64")
    for training in (PLAIN, COMPILED):
        assert_close(outputs_and_gradients(layer, p, valid, training=training)[1], theirs, 1e-10)


@each(RECURRENT)
def test_gradients_are_those_of_finite_differences(case):
    """Along one random direction in x, in each initial state and in each weight."""
    p, valid = problem(case, "float64"), MASKS["holes"]
    layer = built(case.make, p, return_sequences=True, dtype="float64")
    start = [p.x, *p.states, *p.weights]
    directions = [np.random.default_rng(8).normal(size=v.shape) for v in start]

    def e(*steps):
        moved = [v + a * d for v, a, d in zip(start, steps, directions, strict=True)]
        x, states, weights = moved[0], moved[1:-3], moved[-3:]
        (outputs, *last), _ = layer.stateless_call(
            weights, layer.non_trainable_variables, x, initial_state=states, mask=valid
        )
        return objective(outputs, last)

    origin = [tf.constant(0.0, tf.float64) for _ in start]
    analytic, numeric = tf.test.compute_gradient(e, origin, delta=1e-5)
    for ours, theirs in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)


@pytest.mark.parametrize("training", [PLAIN, COMPILED], ids=["plain", "compiled"])
def test_the_linear_unit_multiplies_the_error_by_its_weight_at_each_step(training):
    """|w|^(T-t) exactly, down to 2^-100, whose square is too small for float32."""
    steps, w = 101, 0.5
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False)
    layer.build((1, steps, 1))
    layer.set_weights([np.array([[1.0]]), np.array([[-w]])])
    with tf.GradientTape() as tape:
        e = tf.reduce_mean(layer(tf.ones([1, steps, 1]), training=training))
    tape.gradient(e, layer.trainable_weights)
    np.testing.assert_array_equal(layer.error.hidden, w ** np.arange(steps - 1.0, -1, -1))
    np.testing.assert_array_equal(layer.error.hidden_max, layer.error.hidden)
    np.testing.assert_array_equal(layer.error.carried, [*layer.error.hidden[:-1], 0.0])


def cell_error_without_recurrent_product(layer, x):
    """dE/dc_t with E = the mean over the batch of the sum of c_T, without the recurrent product."""
    layer.build(x.shape)
    kernel, recurrent, bias = layer.get_weights()
    layer.set_weights([kernel, 0.0 * recurrent, bias])
    with tf.GradientTape() as tape:
        c = layer(x, training=COMPILED)[2]
        e = tf.reduce_mean(tf.reduce_sum(c, axis=1))
    tape.gradient(e, layer.trainable_weights)
    return layer.error.cell


def test_the_carousel_of_1997_carries_the_cell_error_unchanged():
    x = np.random.default_rng(0).normal(size=[4, 50, 3]).astype("float32")
    layer = layers.LSTM(4, forget_gate=False, return_state=True, bias_initializer="ones")
    error = cell_error_without_recurrent_product(layer, x)
    np.testing.assert_array_equal(error, np.full(50, 2.0))  # ‖(1, 1, 1, 1)‖


def test_a_constant_forget_gate_shrinks_the_cell_error_by_itself_at_each_step():
    layer = layers.LSTM(4, return_state=True)
    error = cell_error_without_recurrent_product(layer, np.zeros([4, 50, 3], "float32"))
    forget = 1.0 / (1.0 + np.exp(-1.0))  # its bias starts at one
    np.testing.assert_allclose(error, 2.0 * forget ** np.arange(49.0, -1, -1), rtol=1e-5)


@each(STOCK)
def test_go_backwards_and_silent_masked_steps_are_as_in_keras(case):
    p, options = problem(case), {"go_backwards": True, "zero_output_for_mask": True}
    ours, theirs = (
        outputs_and_gradients(
            built(make, p, return_sequences=True, **options), p, MASKS["holes"], training=training
        )
        for make, training in ((case.make, COMPILED), (case.stock, PLAIN))
    )
    assert_close(ours[0], theirs[0], 1e-5)
    assert_close(ours[1], theirs[1], 1e-5)


@pytest.mark.parametrize("training", [PLAIN, COMPILED], ids=["plain", "compiled"])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_second_order_gradients_are_refused(training, graph):
    p, layer = problem(LSTM), LSTM.make()

    def penalty(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                e = objective(layer(x, training=training))
            square = tf.reduce_sum(inner.gradient(e, x) ** 2)
        return outer.gradient(square, x)

    with pytest.raises(NotImplementedError, match="no second-order gradients"):
        (tf.function(penalty) if graph else penalty)(tf.constant(p.x))


def test_a_jacobian_is_that_of_keras():
    p = problem(GRU)
    jacobians = []
    for make in (GRU.make, GRU.stock):
        layer, x = make(), tf.constant(p.x)
        layer.build(p.x.shape)
        layer.set_weights(p.weights)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            h = layer(x, training=COMPILED)
        jacobians.append(np.array(tape.jacobian(h, x, experimental_use_pfor=False)))
    assert_close(jacobians[:1], jacobians[1:], 1e-5)


def test_shapes_known_before_the_layer_are_known_after_it():
    """Two lengths in one process: the program they share must not make the length unknown."""
    layer = layers.LSTM(6, return_sequences=True)
    for steps in (5, 7):
        for training in (PLAIN, COMPILED):
            trace = tf.function(functools.partial(layer, training=training)).get_concrete_function(
                tf.TensorSpec([2, steps, 3])
            )
            assert trace.output_shapes == (2, steps, 6)
