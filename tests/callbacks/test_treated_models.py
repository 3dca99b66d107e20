"""Remedies applied to Keras models: what they change, and what stays."""

import errorflow.layers
import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks.treatment.facts import Facts, NotApplicable
from errorflow.callbacks.treatment.of_models import treated

KL = keras.layers
FACTS = Facts(norm=0.25, time_steps=20, training_steps=50)


def compiled(model, optimizer=None, **options):
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", **options)
    return model


def chain(*layers, shape=(6, 3)):
    return compiled(keras.Sequential([keras.Input(shape), *layers]))


def several_branches():
    """Nested models, wrappers, a shared layer, an operation, a Lambda, several inputs, outputs."""
    sequence, vector = keras.Input((6, 3), name="sequence"), keras.Input((5,), name="vector")
    nested = keras.Sequential(
        [keras.Input((6, 3)), KL.Bidirectional(KL.LSTM(4, return_sequences=True)), KL.GRU(4)]
    )
    steps = KL.TimeDistributed(KL.Dense(4))(sequence)
    shared = KL.Dense(4, activation="relu")
    both = keras.ops.add(shared(nested(sequence)), shared(KL.GlobalAveragePooling1D()(steps)))
    both = KL.Lambda(lambda x: 2 * x)(KL.Concatenate()([both, KL.Dense(3)(vector)]))
    outputs = {"one": KL.Dense(1)(both), "two": KL.Dense(2)(both)}
    return compiled(keras.Model({"sequence": sequence, "vector": vector}, outputs))


def examples(*shape):
    return np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")


def outputs(model, x):
    return np.asarray(model(x))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("clip-norm", {"global_clipnorm": 0.25}),
        ("learning-rate", {"learning_rate": 0.001}),
        ("warm-up", {"learning_rate": None}),
    ],
)
def test_what_changes_the_optimizer_alone_keeps_the_function(name, changes):
    model = several_branches()
    x = {"sequence": examples(6, 3), "vector": examples(5)}
    before, config = model(x), model.optimizer.get_config()
    new = treated(model, [name], FACTS)
    for key, value in new(x).items():
        np.testing.assert_array_equal(value, before[key])
    assert not {id(v) for v in new.variables} & {id(v) for v in model.variables}
    changed = new.optimizer.get_config()
    assert {key for key in config if changed[key] != config[key]} == {*changes}
    assert all(changed[k] == pytest.approx(v) for k, v in changes.items() if v is not None)
    assert model.optimizer.get_config() == config


@pytest.mark.parametrize(
    ("optimizer", "rate", "lower"),
    [
        (keras.optimizers.Adam, 0.01, 0.001),
        (keras.optimizers.Adam, 10.0, 0.01),  # ten times the default of Adam
        (keras.optimizers.SGD, 10.0, 0.1),
    ],
)
def test_a_lower_rate_is_a_tenth_and_at_most_ten_times_the_default(optimizer, rate, lower):
    model = keras.Sequential([keras.Input((3,)), KL.Dense(2)])
    model.compile(optimizer(rate), "mse")
    new = treated(model, ["learning-rate"]).optimizer
    assert float(new.learning_rate) == pytest.approx(lower)


def test_a_warm_up_ends_at_the_present_learning_rate():
    optimizer = treated(chain(KL.GRU(4)), ["warm-up"], FACTS).optimizer
    rates = []
    for step in (0, 5, 49):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates[0] < rates[1] / 10 and rates[1] == pytest.approx(rates[2]) == pytest.approx(0.01)


def test_loss_scaling_metrics_and_compile_options_stay():
    inner = keras.optimizers.SGD(0.1, momentum=0.9, clipvalue=3.0)
    metric = keras.metrics.MeanAbsoluteError(name="absolute")
    model = compiled(
        keras.Sequential([keras.Input((3,)), KL.Dense(2)]),
        keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0),
        metrics=[metric],
        steps_per_execution=3,
        jit_compile=True,
    )
    new = treated(model, ["clip-norm"], FACTS)
    config = new.optimizer.get_config()
    assert config["initial_scale"] == 8.0
    options = new.optimizer.inner_optimizer.get_config()
    assert (options["momentum"], options["clipvalue"], options["global_clipnorm"]) == (
        0.9,
        None,
        0.25,
    )
    assert (new.steps_per_execution, new.jit_compile) == (3, True)
    new.evaluate(examples(3), examples(2), verbose=0)
    assert "absolute" in new.get_metrics_result()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("package", [KL, errorflow.layers])
@pytest.mark.parametrize(("name", "kind"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_another_cell_has_the_options_of_the_simple_one(package, name, kind):
    simple = package.SimpleRNN(5, go_backwards=True, dropout=0.1, recurrent_initializer="zeros")
    model = chain(
        KL.Bidirectional(package.SimpleRNN(4, return_sequences=True)), simple, KL.Dense(2)
    )
    new = treated(model, [name])
    both, last, head = new.layers
    assert {type(both.forward_layer), type(both.backward_layer), type(last)} == {
        getattr(package, kind)
    }
    assert both.backward_layer.go_backwards and last.go_backwards and last.cell.dropout == 0.1
    assert np.any(last.cell.recurrent_kernel)  # zeros were for the simple cell
    for old, weight in zip(model.layers[-1].get_weights(), head.get_weights(), strict=True):
        np.testing.assert_array_equal(old, weight)


def test_lstms_hand_over_the_cell_state_that_simple_cells_do_not_have():
    def encoder_decoder(kind):
        source, target = keras.Input((6, 3)), keras.Input((4, 3))
        _, *states = kind(5, return_state=True)(source)
        sequence = kind(5, return_sequences=True)(target, initial_state=states)
        return compiled(keras.Model([source, target], KL.Dense(1)(sequence)))

    new = treated(encoder_decoder(KL.SimpleRNN), ["lstm"])
    reference = encoder_decoder(KL.LSTM)
    reference.set_weights(new.get_weights())
    x = [examples(6, 3), examples(4, 3)]
    np.testing.assert_allclose(outputs(new, x), outputs(reference, x), atol=1e-6)


@pytest.mark.parametrize("package", [KL, errorflow.layers])
def test_initial_biases_of_an_lstm(package):
    model = chain(package.LSTM(4), KL.Dense(1))
    kernel = model.layers[0].cell.kernel.numpy()
    new = treated(model, ["forget-bias"], FACTS)
    bias = new.layers[0].cell.bias.numpy().reshape(4, 4)
    np.testing.assert_allclose(bias[1], np.log(19), atol=0.06)  # sequences of 20 steps
    assert not bias[[0, 2, 3]].any()
    np.testing.assert_array_equal(new.layers[0].cell.kernel, kernel)
    bias = treated(model, ["chrono"], FACTS).layers[0].cell.bias.numpy().reshape(4, 4)
    assert (bias[1] > 0).all() and (bias[1] < np.log(19)).all()
    np.testing.assert_array_equal(bias[0], -bias[1])


@pytest.mark.parametrize("package", [KL, errorflow.layers])
def test_initial_recurrent_kernels(package):
    model = chain(package.SimpleRNN(4, recurrent_initializer="zeros"), KL.Dense(1))
    rows = treated(model, ["orthogonal"]).layers[0].cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(rows @ rows.T, np.eye(4), atol=1e-5)
    cell = treated(model, ["identity"]).layers[0].cell
    np.testing.assert_array_equal(cell.recurrent_kernel, np.eye(4))
    assert cell.activation is keras.activations.relu
    np.testing.assert_array_equal(cell.kernel, model.layers[0].cell.kernel)


def test_a_reversed_encoder_reads_the_sequence_backwards():
    model, x = chain(KL.GRU(4), KL.Dense(1)), examples(6, 3)
    new = treated(model, ["reverse"])
    np.testing.assert_allclose(outputs(new, x), outputs(model, x[:, ::-1]), atol=1e-6)


@pytest.mark.parametrize("layer", [KL.SimpleRNN, KL.LSTM, KL.GRU, errorflow.layers.LSTM])
def test_a_truncated_model_computes_the_same_and_learns_from_half_of_the_steps(layer):
    model = chain(layer(4, return_sequences=True), KL.Bidirectional(layer(3)), KL.Dense(1))
    new, x = treated(model, ["truncate"], Facts(time_steps=6)), examples(6, 3)
    np.testing.assert_allclose(outputs(new, x), outputs(model, x), atol=1e-6)
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(new(x))
    tape.gradient(loss, new.trainable_weights)
    assert (new.layers[1].forward_layer.error.hidden > 0).tolist() == [False] * 3 + [True] * 3
    assert (new.layers[1].backward_layer.error.hidden > 0).tolist() == [True] * 3 + [False] * 3
    with pytest.raises(NotApplicable, match="the error is already cut every 3 time steps"):
        treated(new, ["truncate"], Facts(time_steps=6))


def test_a_conv_lstm_is_truncated_too():
    model = chain(KL.ConvLSTM1D(2, 3), KL.Flatten(), KL.Dense(1), shape=(4, 5, 2))
    new, x = treated(model, ["truncate"], Facts(time_steps=4)), examples(4, 5, 2)
    np.testing.assert_allclose(outputs(new, x), outputs(model, x), atol=1e-6)
    assert new.layers[0].truncate == 2


def test_activations_of_hidden_layers_change_and_that_of_the_head_stays():
    model = chain(
        KL.Dense(4, activation="tanh"),
        KL.Dense(4),
        KL.Activation("sigmoid"),
        KL.Dense(1, activation="sigmoid"),
        shape=(3,),
    )
    relu = treated(model, ["relu"])
    names = [layer.activation.__name__ for layer in relu.layers]
    assert names == ["relu", "linear", "relu", "sigmoid"]
    leaky = treated(relu, ["leaky-relu"])
    names = [layer.activation.__name__ for layer in leaky.layers]
    assert names == ["leaky_relu", "linear", "leaky_relu", "sigmoid"]
    for old, new in zip(model.get_weights(), leaky.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_initial_weights_preserve_the_variance():
    zeros = {"kernel_initializer": "zeros", "bias_initializer": "ones"}
    model = chain(
        KL.Dense(200, **zeros), KL.BatchNormalization(), KL.ReLU(), KL.Dense(100, **zeros),
        shape=(100,),
    )  # fmt: skip
    first, _, _, last = treated(model, ["initial-weights"]).layers
    assert np.std(first.kernel) == pytest.approx(np.sqrt(2 / 100), rel=0.05)  # He, before ReLU
    assert np.std(last.kernel) == pytest.approx(np.sqrt(2 / 300), rel=0.05)  # Glorot
    assert not np.any(first.bias)


@pytest.mark.parametrize("package", [KL, errorflow.layers])
def test_initial_weights_of_a_conv_lstm_open_its_gates(package):
    closed = keras.initializers.Constant(-7.0)
    options = {"bias_initializer": closed, "unit_forget_bias": False}
    model = chain(package.ConvLSTM1D(4, 3, **options), KL.Flatten(), KL.Dense(1), shape=(3, 8, 2))
    bias = treated(model, ["initial-weights"]).layers[0].cell.bias.numpy().reshape(4, 4)
    np.testing.assert_array_equal(bias, np.array([0, 1, 0, 0])[:, None] * np.ones(4))


def test_chrono_of_a_gru():
    model = chain(KL.GRU(4), KL.Dense(1))
    update, reset, _ = (
        treated(model, ["chrono"], FACTS).layers[0].cell.bias.numpy()[0].reshape(3, 4)
    )
    assert (update > 0).all() and (update < np.log(19)).all()
    assert not reset.any()


def test_batch_normalization_stands_before_activations_and_starts_as_the_identity():
    model, x = chain(KL.Dense(5, activation="tanh"), KL.Dense(1), shape=(3,)), examples(3)
    new = treated(model, ["batch-normalization"])
    kinds = [type(layer).__name__ for layer in new.layers]
    assert kinds == ["Dense", "BatchNormalization", "Activation", "Dense"]
    np.testing.assert_allclose(outputs(new, x), outputs(model, x), rtol=2e-3, atol=1e-3)


def test_layer_normalization_follows_recurrent_layers_and_convolutions():
    model = chain(KL.Conv1D(4, 3), KL.GRU(5), KL.Dense(1))
    new = treated(model, ["layer-normalization"])
    kinds = [type(layer).__name__ for layer in new.layers]
    assert kinds == ["Conv1D", "LayerNormalization", "GRU", "LayerNormalization", "Dense"]
    normalized = keras.Model(new.inputs[0], new.layers[3].output)(examples(6, 3))
    np.testing.assert_allclose(np.mean(normalized, axis=-1), 0, atol=1e-5)


def test_shortcuts_add_the_input_of_layers_to_their_output():
    model, x = chain(KL.Dense(3, activation="tanh"), KL.Dense(1), shape=(3,)), examples(3)
    hidden, head = model.layers
    expected = outputs(head, x + outputs(hidden, x))
    np.testing.assert_allclose(outputs(treated(model, ["shortcuts"]), x), expected, atol=1e-6)


def test_shortcuts_go_around_two_convolutions():
    model = chain(
        KL.Conv2D(3, 3, padding="same"), KL.ReLU(), KL.Conv2D(3, 3, padding="same"), KL.Flatten(),
        KL.Dense(1), shape=(5, 5, 3),
    )  # fmt: skip
    x = examples(5, 5, 3)
    expected = x
    for layer in model.layers[:3]:
        expected = outputs(layer, expected)
    expected = outputs(model.layers[4], (x + expected).reshape(4, -1))
    np.testing.assert_allclose(outputs(treated(model, ["shortcuts"]), x), expected, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [lambda: KL.LSTM(4), lambda: KL.Bidirectional(KL.GRU(4))], ids=["one", "both"]
)
def test_attention_adds_what_the_last_output_attends_to(layer):
    model, x = chain(layer(), KL.Dense(1)), examples(6, 3)
    new = treated(model, ["attention"])
    sequence = outputs(keras.Model(new.inputs[0], new.layers[1].output[0]), x)
    last = outputs(keras.Model(model.inputs[0], model.layers[0].output), x)
    weights = np.exp(np.einsum("bth,bh->bt", sequence, last))
    context = np.einsum("bt,bth->bh", weights / weights.sum(axis=1, keepdims=True), sequence)
    expected = outputs(model.layers[-1], last + context)
    np.testing.assert_allclose(outputs(new, x), expected, atol=1e-5)


def test_a_watched_model_still_shows_its_errors():
    stock = chain(KL.LSTM(4), KL.Dense(1))
    new = treated(errorflow.layers.watch(stock), ["chrono", "clip-norm"], FACTS)
    assert isinstance(new.layers[0], errorflow.layers.LSTM)
    assert new.optimizer.global_clipnorm == 0.25


@keras.saving.register_keras_serializable("tests")
class OwnModel(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = KL.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_model_with_code_of_its_own_gets_another_optimizer_but_no_other_layers():
    model, x = compiled(OwnModel()), examples(3)
    before = outputs(model, x)
    new = treated(model, ["learning-rate"])
    np.testing.assert_array_equal(outputs(new, x), before)
    with pytest.raises(NotApplicable, match="OwnModel has code or attributes of its own"):
        treated(model, ["initial-weights"])


def dense():
    return [KL.Dense(4, activation="relu"), KL.Dense(1)]


@pytest.mark.parametrize(
    ("name", "layers", "reason"),
    [
        ("lstm", lambda: [KL.GRU(4)], "the network has no SimpleRNN"),
        ("forget-bias", lambda: [KL.GRU(4)], "the network has no LSTM"),
        ("chrono", lambda: [KL.SimpleRNN(4)], "the network has no LSTM or GRU"),
        ("chrono", lambda: [KL.LSTM(4)], "the length of the sequences is unknown"),
        ("orthogonal", lambda: [KL.GRU(4)], "orthogonal already"),
        ("reverse", lambda: [KL.Bidirectional(KL.GRU(4))], "in one direction"),
        ("relu", dense, "no hidden layer has a sigmoid or tanh"),
        ("leaky-relu", lambda: [KL.Dense(1, activation="relu")], "no hidden layer has a ReLU"),
        ("shortcuts", dense, "no hidden layer has an input and an output of one shape"),
        ("attention", dense, "no recurrent layer returns its last output"),
        ("auxiliary", dense, "where a further loss enters"),
        ("truncate", dense, "the network has no SimpleRNN, LSTM, GRU or ConvLSTM"),
        ("truncate", lambda: [KL.GRU(4)], "the length of the sequences is unknown"),
    ],
)
def test_what_cannot_be_applied_says_why(name, layers, reason):
    model = chain(*layers())
    with pytest.raises(NotApplicable, match=reason):
        treated(model, [name])


def test_models_that_cannot_be_treated_are_errors():
    with pytest.raises(ValueError, match="is not compiled"):
        treated(keras.Sequential([keras.Input((3,)), KL.Dense(1)]), ["lstm"])
    with pytest.raises(ValueError, match="did you mean clip-norm"):
        treated(chain(KL.GRU(4)), ["clip-nrom"])
