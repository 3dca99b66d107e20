"""Interventions cut or scale the error carried back at a step, and nothing else.

The reference is the unrolled loop in which step t+1 reads the state of step t through an identity
whose derivative is the factor.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import (
    GRU,
    LSTM,
    MASKS,
    RECURRENT,
    SIMPLE_RNN,
    B,
    D,
    H,
    T,
    assert_same_figures,
    built,
    objective,
    problem,
)
from errorflow.layers import error_matrix, intervene, intervention_effect, per_step_gradients, watch
from reference import errors, figures, unrolled

ALL = np.ones([B, T], bool)


def factors_of(chosen, scale, valid):
    """[B, T]: `scale` at the chosen steps, numbered from 1 or, below 0, from the last valid one."""
    factors = np.ones([B, T])
    for b, row in enumerate(valid):
        end = max(np.flatnonzero(row), default=-1) + 1
        for step in chosen:
            place = step - 1 if step > 0 else end + step
            if 0 <= place < end:
                factors[b, place] *= scale
    return factors


def reference_gradients(case, p, valid, factors):
    sources = [tf.constant(v) for v in (p.x, *p.states, *p.weights)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        x, states, weights = sources[0], sources[1:-3], sources[-3:]
        e = objective(*unrolled(tf, case.step, x, states, weights, valid, factors=factors))
    return [np.array(g) for g in tape.gradient(e, sources)]


def gradients(layer, p, valid, training=True):
    sources = [tf.constant(p.x), *map(tf.constant, p.states)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        x, *states = sources
        outputs, *last = layer(x, initial_state=states, mask=valid, training=training)
        e = objective(outputs, last)
    return [np.array(g) for g in tape.gradient(e, [*sources, *(w.value for w in layer.weights)])]


def assert_close(ours, theirs, tolerance=1e-10):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


ROWS = [
    (SIMPLE_RNN, "right", [-1, T], 0.0),  # at the last step nothing is carried back
    (LSTM, "holes", [2, -2], 0.0),
    (GRU, "left", [-3], -1.5),
]
MORE_ROWS = [(case, mask, [2, -2], 0.0) for case in RECURRENT for mask in MASKS]


@pytest.mark.parametrize(
    ("case", "mask", "steps", "scale"),
    [*ROWS, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE_ROWS)],
    ids=str,
)
def test_gradients_and_recorded_errors_are_those_of_the_unrolled_reference(
    case, mask, steps, scale
):
    p, valid = problem(case, "float64"), MASKS[mask]
    shown = ALL if valid is None else valid
    factors = factors_of(steps, scale, shown)
    layer = built(case, p, return_sequences=True, return_state=True, dtype="float64")
    for training in (False, True):
        with intervene(layer, step=steps, scale=scale):
            ours = gradients(layer, p, valid, training)
        assert_close(ours, reference_gradients(case, p, valid, factors))
        expected = figures(errors(objective, case.step, *p, valid, factors), valid)
        assert_same_figures(layer.error.latest()[0], expected)
    assert_close(gradients(layer, p, valid), reference_gradients(case, p, valid, np.ones([B, T])))


def test_contexts_nest_and_a_step_is_that_of_the_input_in_a_backwards_layer():
    p = problem(LSTM, "float64")
    layer = built(LSTM, p, return_sequences=True, return_state=True, dtype="float64")
    layer.go_backwards = True
    with intervene(layer, step=2, scale=0.5), intervene(layer, step=[2, -3], scale=0.5):
        ours = gradients(layer, p, None)
    factors = factors_of([T + 1 - 2], 0.25, ALL) * factors_of([-3], 0.5, ALL)
    expected = reference_gradients(LSTM, p._replace(x=p.x[:, ::-1]), None, factors)
    assert_close(ours[1:], expected[1:])


def test_a_cut_at_every_step_leaves_the_error_that_enters_there():
    """Also where the error explodes: 0 times infinity is 0 here."""
    layer = watch(keras.Sequential([keras.Input((T, 1)), keras.layers.SimpleRNN(1, "linear")]))
    (recurrent,) = layer.layers
    recurrent.set_weights([np.ones([1, 1]), np.full([1, 1], 3e38), np.zeros(1)])
    with intervene(recurrent, step=None), tf.GradientTape() as tape:
        e = tf.reduce_sum(recurrent(tf.zeros([1, T, 1]), training=True))
    tape.gradient(e, recurrent.trainable_variables)
    np.testing.assert_array_equal(recurrent.error.hidden, [0, 0, 0, 0, 1])


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_trains_with_the_cut_error_within_the_context_only(jit):
    """The model has been traced before, and is traced again after the context."""
    inputs = keras.Input((T, D))
    both = keras.layers.Bidirectional(keras.layers.GRU(H), name="both")
    model = watch(keras.Sequential([inputs, both, keras.layers.Dense(1)]))
    outer = keras.Sequential([inputs, model])  # the model that is trained only contains it
    outer.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=jit)
    layer = model.get_layer("both").backward_layer
    x, y = np.random.randn(B, T, D).astype("float32"), np.ones([B, 1], "float32")
    start = model.get_weights()

    def trained(fit=outer.fit):
        model.set_weights(start)
        fit(x, y, batch_size=B, verbose=0)
        return layer.get_weights()

    def by_hand(x, y, **_):
        with tf.GradientTape() as tape:
            loss = outer.compute_loss(x, y, model(x, training=True))
        variables = model.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * gradient)

    before = trained()
    with intervene(layer, step=3):
        cut, expected = trained(), trained(by_hand)
        assert layer.error.hidden[3:].max() == 0.0  # it reads from the last step to the first
    assert_close(cut, expected, 1e-5)
    assert_close(trained(), before, 1e-6)
    assert np.abs(cut[0] - before[0]).max() > 1e-3 * np.abs(before[0]).max()


def model_of(layer):
    x, mask = keras.Input((T, D)), keras.Input((T,), dtype="bool")
    model = keras.Model([x, mask], 1.0 * layer(x, mask=mask))
    model.compile(loss=lambda _, outputs: tf.reduce_sum(outputs**2, axis=2))
    return model


def test_contributions_of_the_steps_add_up_to_the_gradient_with_an_intervention():
    keras.config.set_floatx("float64")
    p = problem(GRU, "float64")
    layer = built(GRU, p, return_sequences=True, name="layer", dtype="float64")
    model, x = model_of(layer), [tf.constant(p.x), tf.constant(MASKS["holes"])]
    with intervene(layer, step=-2, scale=0.5):
        terms = per_step_gradients(model, x, np.zeros([B, T, H]))["layer"]
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, np.zeros([B, T, H]), model(x))
        expected = tape.gradient(loss, [w.value for w in layer.weights])
    assert_close([g.sum(0) for g in terms.values()], expected, 1e-12)


def test_the_error_matrix_has_no_error_across_a_cut():
    p = problem(LSTM)
    layer = built(LSTM, p, return_sequences=True, name="layer")
    model, batch = model_of(layer), ([p.x, ALL], np.zeros([B, T, H]))
    expected = error_matrix(model, *batch).values
    with intervene(layer, step=3):
        cut = error_matrix(model, *batch)
    assert expected[3:, :3].all()
    expected[3:, :3] = 0.0
    np.testing.assert_allclose(cut, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "options", "error", "message"),
    [
        (LSTM.make, {"step": 0}, ValueError, "no step 0"),
        (LSTM.make, {"step": 1.5}, TypeError, "must be an integer"),
        (LSTM.make, {"step": 1, "scale": np.nan}, ValueError, "finite"),
        (lambda: keras.layers.LSTM(3), {"step": 1}, ValueError, "watch"),
        (
            lambda: keras.layers.Bidirectional(LSTM.make(), name="both"),
            {"step": 1},
            ValueError,
            "'both' is a Bidirectional",
        ),
        (lambda: keras.layers.Dense(3), {"step": 1}, TypeError, "got Dense"),
    ],
)
def test_wrong_arguments_are_refused(layer, options, error, message):
    with pytest.raises(error, match=message), intervene(layer(), **options):
        pass


def test_a_step_that_the_layer_does_not_have_is_refused_in_one_sentence():
    """Without what Keras adds to an error in a layer's call, in a model too."""
    layer = LSTM.make(name="layer")
    model = keras.Sequential([keras.Input((T, D)), layer])
    model.compile("sgd", "mse")
    x, y = np.zeros([B, T, D]), np.zeros([B, H])
    sentence = "^intervene: layer 'layer' reads 5 time steps, so there is no step 20$"
    with intervene(layer, step=[2, 20]):
        for call in (lambda: layer(x), lambda: model.fit(x, y, verbose=0)):
            with pytest.raises(ValueError, match=sentence):
                call()
    with pytest.raises(ValueError, match=sentence):
        intervention_effect(model, x, y, step=20)


def unrolled_stock(model, x, cut):
    """The output of GRU and Dense, step by step, and no error passes from step `cut` + 1 back."""
    cell, h = model.layers[0].cell, tf.zeros([B, H])
    for t in range(T):
        h, _ = cell(x[:, t], [h])
        h = tf.stop_gradient(h) if t + 1 == cut else h
    return model.layers[1](h)


def test_the_effect_of_a_cut_on_gradients_errors_and_the_next_loss():
    inputs = keras.Input((T, D))
    model = keras.Sequential([inputs, keras.layers.GRU(H, name="layer"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.3), "mse")
    x, y = tf.random.normal([B, T, D]), tf.ones([B, 1])
    variables, start = model.trainable_variables, model.get_weights()
    effect = intervention_effect(model, x, y, step=3)

    losses = []
    for cut, of_cut in ((None, "norm"), (3, "changed_norm")):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((unrolled_stock(model, x, cut) - y) ** 2)
        gradients = tape.gradient(loss, [v.value for v in variables])
        norms = [getattr(effect.weights[v.path], of_cut) for v in variables]
        np.testing.assert_allclose(norms, [tf.norm(g) for g in gradients], rtol=1e-5)
        model.set_weights([w - 0.3 * g for w, g in zip(start, gradients, strict=True)])
        losses.append(float(tf.reduce_mean((model(x) - y) ** 2)))
        model.set_weights(start)
    np.testing.assert_allclose(effect.loss, loss, rtol=1e-6)
    np.testing.assert_allclose(effect.loss_after, losses, rtol=1e-5)

    full, cut = effect.errors
    np.testing.assert_array_equal(cut["hidden"][:3], 0)
    np.testing.assert_allclose(cut["hidden"][3:], full["hidden"][3:], rtol=1e-6)
    assert effect.weights[variables[-1].path].difference == 0  # the bias of the layer above
    assert f"{effect.total.difference:.1%}" in effect.sentence
    assert list(effect.to_frame().weight) == [v.path for v in variables]


def test_asking_for_the_effect_changes_nothing():
    layers = [LSTM.make(stateful=True, name="layer"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input(batch_shape=(B, T, D)), *layers])
    model.compile("adam", "mse")
    x, y = np.random.randn(B, T, D), np.ones([B, 1])
    model.train_on_batch(x, y)
    variables = [*model.variables, *model.optimizer.variables]
    before = [v.numpy() for v in variables]
    effect = intervention_effect(model, x, y, step=T)
    assert effect.sentence.endswith("no gradient changes: no error came back there")
    assert layers[0].error.count == 1
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.raises(ValueError, match="no recurrent layer 'other'; choose one of: layer"):
        intervention_effect(model, x, y, step=1, layer="other")


def test_a_fused_loop_gives_way_to_an_intervention():
    layer = GRU.make(fused=True)
    with intervene(layer, step=2):
        layer(np.zeros([B, T, D]), training=True)
        assert "intervention" in layer.loop.latest.reason
    layer(np.zeros([B, T, D]), training=True)
    assert layer.loop.latest.name == "plain"
