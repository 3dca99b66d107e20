"""Remedies as settings of the tasks: which ones a task has, and what they do to its network."""

import contextlib
import dataclasses
import shlex
from types import SimpleNamespace
from typing import cast

import keras
import numpy as np
import pytest
from errorflow.callbacks.findings.remedies import REMEDIES, remedies_of
from errorflow.callbacks.treatment.facts import Facts, NotApplicable
from errorflow.callbacks.treatment.strength import usual_norm
from errorflow.layers import LSTM, leaky_relu
from errorflow.layers.paths import walk
from errorflow.pipelines.actions.config import ActionsConfig
from errorflow.pipelines.core.config import Section, TrainingConfig, flat, replace
from errorflow.pipelines.core.config_files import config_dict, load_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.flags import parse_flags
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.documents.config import DocumentsConfig
from errorflow.pipelines.images.config import ImagesConfig
from errorflow.pipelines.images.training import build_network as build_image_network
from errorflow.pipelines.lags.config import LagsConfig
from errorflow.pipelines.models.recurrent import CELLS, recurrent_layer
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.pronounce.config import PronounceConfig
from errorflow.pipelines.pronounce.training import build_network as build_encoder_decoder
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.stories.config import StoriesConfig
from errorflow.pipelines.tags.config import TagsConfig
from errorflow.pipelines.text_classification.training import build
from errorflow.pipelines.training import schedules
from errorflow.pipelines.training.loop import compile_training
from errorflow.pipelines.training.remedies import facts_of, flags_of, settings_for
from errorflow.pipelines.training.spec import TrainData, TrainingSpec
from tasks import TABLE, train_flags

FACTS = Facts(norm=0.034, time_steps=40, training_steps=300)
KINDS = sorted({kind for remedy in REMEDIES for kind in remedy.findings})
CLIPPED = {"share": 1.0, "norm": 3.0, "clip_norm": 1.0}


# What is applicable


@pytest.mark.parametrize("name", TASKS)
def test_a_remedy_changes_valid_settings_or_says_why_it_does_not(name):
    config: TrainingConfig = load_task(name).config()
    before, applied, reasons = flat(config.resolved()), [], []
    for kind in KINDS:
        for remedy in remedies_of(kind, {}):
            try:
                changes = settings_for(remedy.name, config, FACTS)
            except NotApplicable as reason:
                reasons.append(str(reason))
                continue
            replace(config, **changes).resolved().check()
            assert any(before[key] != value for key, value in changes.items())
            applied.append(remedy.name)
    assert {"clip-norm", "learning-rate", "warm-up"} <= {*applied}
    assert all(reason and not reason.endswith(".") and "\n" not in reason for reason in reasons)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherNetwork(Section):
    """The network of another package."""

    cells: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class OtherConfig(TrainingConfig):
    """The settings of a task of another package."""

    network: OtherNetwork = OtherNetwork()


def test_a_task_of_another_package_has_what_all_tasks_have():
    applied = {}
    for remedy in REMEDIES:
        with contextlib.suppress(NotApplicable):
            applied |= settings_for(remedy.name, OtherConfig(), FACTS)
    assert applied == {"clip_norm": 0.034, "learning_rate": 1e-4, "warm_up": 30}


@pytest.mark.parametrize(
    "config, settings, name, changes",
    [
        (NamesConfig, {"model": "rnn"}, "lstm", {"model": "lstm"}),
        (
            NamesConfig,
            {"model": "rnn", "recurrent_kernel": "identity", "activation": "relu"},
            "gru",
            {"model": "gru", "activation": "tanh", "recurrent_kernel": "orthogonal"},
        ),
        (NamesConfig, {"forget_bias": 2.0}, "gru", {"model": "gru", "forget_bias": None}),
        (NamesConfig, {}, "forget-bias", {"forget_bias": 3.7}),
        (NamesConfig, {"forget_bias": 2.0}, "chrono", {"chrono": 1.0, "forget_bias": None}),
        (LagsConfig, {"chrono": 0.0}, "chrono", {"chrono": 1.0}),
        (
            NamesConfig,
            {"model": "rnn"},
            "identity",
            {"recurrent_kernel": "identity", "activation": "relu"},
        ),
        (TagsConfig, {"model": "rnn"}, "identity", {"recurrent_kernel": "identity"}),
        (
            TagsConfig,
            {"recurrent_kernel": "glorot"},
            "orthogonal",
            {"recurrent_kernel": "orthogonal"},
        ),
        (TagsConfig, {}, "layer-normalization", {"normalization": "layer"}),
        (TagsConfig, {}, "truncate", {"truncate": 20}),
        (LagsConfig, {"truncate": 30}, "truncate", {"truncate": 20}),
        (PronounceConfig, {}, "attention", {"attention": True}),
        (PronounceConfig, {"bidirectional": False}, "reverse", {"reverse": True}),
        (NamesConfig, {"clip_norm": 0.0}, "clip-norm", {"clip_norm": 0.034}),
        (NamesConfig, {}, "learning-rate", {"learning_rate": 0.0008}),
        (NamesConfig, {}, "warm-up", {"warm_up": 30}),
        (NamesConfig, {"model": "bag"}, "relu", {"activation": "relu"}),
        (
            NamesConfig,
            {"model": "bag", "activation": "relu"},
            "initial-weights",
            {"initial_weights": "he"},
        ),
        (
            DocumentsConfig,
            {"activation": "tanh"},
            "initial-weights",
            {"initial_weights": "glorot"},
        ),
        (DocumentsConfig, {}, "leaky-relu", {"activation": "leaky_relu"}),
        (ImagesConfig, {"model": "alexnet"}, "initial-weights", {"initial_weights": "he"}),
        (ImagesConfig, {"model": "resnet56", "skip": "false"}, "shortcuts", {"skip": "true"}),
        (ImagesConfig, {"model": "vgg11"}, "shortcuts", {"model": "resnet20"}),
        (
            ImagesConfig,
            {"model": "vgg11", "dropout": 0.1, "normalization": "none"},
            "shortcuts",
            {"model": "resnet20", "dropout": None, "normalization": None},
        ),
        (StoriesConfig, {}, "shortcuts", {"cnn": "resnet20", "width": 1.0}),
        (ImagesConfig, {"model": "vgg11"}, "batch-normalization", {"normalization": "batch"}),
        (ImagesConfig, {"model": "googlenet"}, "auxiliary", {"auxiliary": "true"}),
    ],
)
def test_the_settings_of_a_remedy(config, settings, name, changes):
    assert settings_for(name, replace(config(), **settings), FACTS) == changes


@pytest.mark.parametrize(
    "config, settings, name, reason",
    [
        (NamesConfig, {}, "lstm", "the network is already an LSTM"),
        (NamesConfig, {"model": "bag"}, "lstm", "the network, bag, has no recurrent layer"),
        (NamesConfig, {"model": "gru"}, "forget-bias", "no LSTM with a forget gate"),
        (NamesConfig, {"forget_bias": 4.0}, "forget-bias", "already start open"),
        (LagsConfig, {}, "chrono", "already has Chrono"),
        (LagsConfig, {"layers": 2}, "layer-normalization", "too few numbers"),
        (PronounceConfig, {}, "reverse", "already reads the source in both directions"),
        (NamesConfig, {"model": "bag"}, "truncate", "the network, bag, has no recurrent layer"),
        (NamesConfig, {"truncate": 20}, "truncate", "the error is already cut every 20 time steps"),
        (ImagesConfig, {"model": "resnet20"}, "shortcuts", "resnet20, already has shortcuts"),
        (ImagesConfig, {"model": "mlp"}, "batch-normalization", "mlp, has no option for batch"),
        (ImagesConfig, {"weights": "imagenet"}, "batch-normalization", "already has batch"),
        (ImagesConfig, {"weights": "imagenet", "model": "vgg16"}, "shortcuts", "--weights"),
    ],
)
def test_a_remedy_that_a_task_cannot_have_says_why(config, settings, name, reason):
    with pytest.raises(NotApplicable, match=reason):
        settings_for(name, replace(config(), **settings), FACTS)


def test_an_unknown_remedy_is_an_error_with_the_closest_one():
    with pytest.raises(ValueError, match="did you mean clip-norm"):
        settings_for("clip-nrm", NamesConfig())


# How strong a remedy is


def test_a_threshold_is_raised_above_the_usual_norm_where_nearly_every_gradient_is_clipped():
    config = replace(NamesConfig(), clip_norm=1.0)
    assert settings_for("clip-norm", config, FACTS, CLIPPED) == {"clip_norm": 15.0}
    with pytest.raises(NotApplicable, match="already above"):
        settings_for("clip-norm", replace(config, clip_norm=20.0), FACTS, CLIPPED)


@pytest.mark.parametrize("norm, threshold", [(None, 1.0), (0.0, 1.0), (1e6, 1.0), (0.25, 0.25)])
def test_an_exploding_gradient_is_clipped_to_its_usual_norm_but_1_at_most(norm, threshold):
    config = replace(NamesConfig(), clip_norm=0.0)
    assert settings_for("clip-norm", config, Facts(norm=norm)) == {"clip_norm": threshold}
    with pytest.raises(NotApplicable, match="already clipped"):
        settings_for("clip-norm", replace(config, clip_norm=threshold), Facts(norm=norm))


@pytest.mark.parametrize("steps, bias", [(100, 4.6), (10_000, 5.0)])
def test_forget_gates_start_as_open_as_the_sequences_are_long(steps, bias):
    assert settings_for("forget-bias", NamesConfig(), Facts(time_steps=steps)) == {
        "forget_bias": bias
    }


@pytest.mark.parametrize("steps", [None, 1])
def test_the_error_is_not_cut_in_sequences_that_are_too_short_or_of_unknown_length(steps):
    with pytest.raises(NotApplicable, match="unknown, or too short"):
        settings_for("truncate", NamesConfig(), Facts(time_steps=steps))
    assert settings_for("truncate", NamesConfig(), Facts(time_steps=3)) == {"truncate": 1}


def test_the_usual_norm_is_that_of_all_layers_together_at_finite_steps():
    norm = np.array([[3.0, 4.0], [np.inf, 1.0], [6.0, 8.0], [np.nan, 7.0], [np.nan, np.inf]])
    assert usual_norm(norm) == 7.0
    assert usual_norm(norm[1:2]) is None


def test_the_facts_of_a_run_are_those_of_its_results(tmp_path):
    run = RunFolder(tmp_path)
    run.update(status="finished")
    assert facts_of(run, 2) == Facts()  # as an earlier version has written it
    run.update(gradient_norm=0.3, time_steps=12, steps_per_epoch=50)
    assert facts_of(run, 2) == Facts(norm=0.3, time_steps=12, training_steps=100)


# Flags


@pytest.mark.parametrize(
    "config, changes",
    [
        (NamesConfig, {"model": "gru", "activation": "relu", "learning_rate": 3.4e-05}),
        (NamesConfig, {"forget_bias": 3.7, "warm_up": 30, "normalization": "layer"}),
        (NamesConfig, {"model": "gru", "forget_bias": None, "truncate": 20}),
        (PronounceConfig, {"attention": True, "bidirectional": False, "clip_norm": 0.25}),
    ],
)
def test_the_flags_of_changes_make_these_changes(config, changes):
    read = parse_flags(config, shlex.split(flags_of(changes)), "errorflow")
    assert read == replace(config(), **changes)


# What a setting does to a network


def names_layer(**settings) -> keras.layers.Layer:
    """The recurrent layer of a small network for names."""
    config = replace(NamesConfig(), units=4, embedding=3, **settings)
    return build(config, vocabulary_size=9, labels=3).get_layer("rnn_1")


def test_by_default_recurrent_layers_are_those_of_earlier_versions():
    settings = NamesConfig().recurrent
    assert all(recurrent_layer(m, settings, longest=9, seed=1) is CELLS[m] for m in CELLS)
    config = names_layer().get_config()
    assert config | LSTM(4, return_sequences=False, name="rnn_1").get_config() == config


def test_a_forget_bias_opens_the_forget_gates():
    i, f, g, o = names_layer(forget_bias=3.0).get_weights()[2].reshape(4, 4)
    assert (f == 3).all()
    assert not np.any([i, g, o])


def test_chrono_initialisation_remembers_for_the_longest_sequence():
    """The gate z of a GRU is ln u, u between 1 and the longest time to remember minus 1."""
    times = np.exp(names_layer(model="gru", chrono=1.0).get_weights()[2][0, :4])
    assert times.min() > 1
    assert 10 < times.max() < 39


def test_chrono_initialisation_needs_sequences_of_more_than_2_steps():
    with pytest.raises(UserError, match=r"--chrono 0\.05: .* it leaves 2 to remember"):
        names_layer(model="gru", chrono=0.05)


def test_a_recurrent_kernel_is_orthogonal_by_default_identity_or_glorot():
    kernels = {
        kind: names_layer(
            model="rnn",
            recurrent_kernel=kind,
            activation="relu" if kind == "identity" else "tanh",
        ).get_weights()[1]
        for kind in ("orthogonal", "identity", "glorot")
    }
    np.testing.assert_allclose(
        kernels["orthogonal"] @ kernels["orthogonal"].T, np.eye(4), atol=1e-5
    )
    np.testing.assert_array_equal(kernels["identity"], np.eye(4))
    assert abs(kernels["glorot"]).max() <= np.sqrt(6 / 8)
    assert abs(kernels["glorot"] @ kernels["glorot"].T - np.eye(4)).max() > 0.01


def test_an_identity_kernel_comes_with_relu():
    settings = replace(TagsConfig(), model="rnn", recurrent_kernel="identity").recurrent
    layer = recurrent_layer("rnn", settings, longest=9, seed=1)(4)
    assert layer.cell.activation is keras.activations.relu


def test_layer_normalisation_is_before_every_recurrent_layer():
    config = replace(NamesConfig(), layers=2, units=4, embedding=3, normalization="layer")
    core = build(config, vocabulary_size=9, labels=3)
    names = [layer.name for layer in core.layers]
    first = names.index("rnn_1_norm")
    assert names[first : first + 2] == ["rnn_1_norm", "rnn_1"]
    assert names.index("rnn_2_norm") == names.index("rnn_2") - 1
    ids = np.array([[2, 3, 0]], np.int32)
    np.testing.assert_allclose(core(ids), core(ids[:, :2]), atol=1e-6)  # padding is ignored


def test_an_encoder_decoder_has_these_settings_in_both_parts():
    config = replace(
        PronounceConfig(), model="lstm", units=4, layers=1, forget_bias=2.0, normalization="layer"
    )
    core = build_encoder_decoder(config, 5, 6, 7)
    layers = [layer for _, layer in walk(core) if isinstance(layer, LSTM)]
    assert [layer.get_weights()[2].max() for layer in layers] == [2.0] * 3
    normalised = [isinstance(layer, keras.layers.LayerNormalization) for _, layer in walk(core)]
    assert sum(normalised) == 2


# Of images in time, captions stand for the others, whose data take seconds.
TRUNCATED = [
    pytest.param(task, marks=pytest.mark.slow) if task in ("actions", "stories") else task
    for task in TABLE
    if task != "images"
]


@pytest.mark.parametrize("name", TRUNCATED)
def test_the_recurrent_layers_of_every_task_are_truncated(name, tmp_path):
    task = load_task(name)
    with TABLE[name].surroundings(tmp_path):
        flags = [*train_flags(name, tmp_path), "--truncate", "3"]
        config = parse_flags(task.config, flags, "errorflow")
        network = task.build_training(config.resolved(), task.read_data(config)).network
    layers = [layer for _, layer in walk(network) if isinstance(layer, keras.layers.RNN)]
    assert layers
    assert [layer.truncate for layer in layers] == [3] * len(layers)
    assert config_dict(config)["truncate"] == 3


@pytest.mark.parametrize("model", ["convnet", "mlp", "lenet5", "vgg11", "googlenet", "resnet20"])
def test_the_activation_of_an_image_network_is_that_of_all_its_hidden_layers(model):
    config = replace(ImagesConfig(), model=model, width=0.1, activation="leaky_relu")
    core = build_image_network(config, (32, 32, 1), 3)
    found = {getattr(layer, "activation", None) for _, layer in walk(core)}
    assert leaky_relu in found
    assert found <= {leaky_relu, keras.activations.linear, keras.activations.softmax, None}


def test_initial_weights_are_drawn_for_the_number_of_inputs():
    config = replace(ImagesConfig(), model="alexnet", width=0.1, initial_weights="he")
    core = build_image_network(config, (67, 67, 1), 3)
    kernel = next(layer.kernel for _, layer in walk(core) if layer.name == "hidden6")
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / kernel.shape[0]), rel=0.1)
    biases = [layer.bias for _, layer in walk(core) if getattr(layer, "bias", None) is not None]
    assert not any(np.any(bias) for bias in biases)


def test_a_warm_up_starts_from_a_small_learning_rate():
    settings = replace(NamesConfig(), warm_up=10, learning_rate=0.5, schedule="constant")
    rate = schedules.learning_rate(settings.optimisation, 100, settings.optimisation.warm_up)
    np.testing.assert_allclose([rate(0), rate(4), rate(9), rate(50)], [0.05, 0.25, 0.5, 0.5])


def test_a_training_starts_with_the_warm_up_of_its_settings():
    x = keras.Input([3])
    network, data = keras.Model(x, keras.layers.Dense(1)(x)), SimpleNamespace(steps=5)
    spec = TrainingSpec(
        network=network,
        serving_model=network,
        train_data=cast(TrainData, data),
        validation_data=None,
        loss="mse",
        metrics=None,
        monitor="val_loss",
        warmup=100,  # of its own, as of a recipe
    )
    settings = {"warm_up": 10, "learning_rate": 0.5, "schedule": "constant", "jit": "off"}
    model = compile_training(spec, replace(NamesConfig(), **settings))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "config, settings, message",
    [
        (NamesConfig, {"model": "gru", "forget_bias": 2.0}, "--forget-bias 2.0: gru has no forget"),
        (NamesConfig, {"model": "bag", "chrono": 1.0}, "--chrono 1.0: bag has no recurrent layer"),
        (NamesConfig, {"recurrent_kernel": "identity"}, "only rnn begins with an identity kernel"),
        (
            NamesConfig,
            {"model": "rnn", "recurrent_kernel": "identity"},
            "identity is for --activation relu, not tanh",
        ),
        (NamesConfig, {"chrono": 1.0, "forget_bias": 1.0}, "--chrono and --forget-bias both"),
        (TagsConfig, {"model": "rnn", "chrono": 1.0}, "--chrono 1.0: rnn has no gates"),
        (DocumentsConfig, {"model": "gru", "initial_weights": "he"}, "--recurrent-kernel"),
        (NamesConfig, {"model": "bag", "truncate": 5}, "--truncate 5: bag has no recurrent layer"),
        (ActionsConfig, {"truncate": 0}, "--truncate .* must be 1 or more"),
        (LagsConfig, {"truncate": -1}, "--truncate .* must be 1 or more"),
        (LagsConfig, {"normalization": "layer"}, "too few numbers"),
        (ImagesConfig, {"warm_up": -1}, "--warm-up .* must be 0 or more"),
    ],
)
def test_settings_that_a_network_cannot_have_are_refused(config, settings, message):
    with pytest.raises(UserError, match=message):
        replace(config(), **settings).resolved().check()


def test_a_config_of_an_earlier_version_has_the_defaults(tmp_path):
    (tmp_path / "config.yaml").write_text("model: rnn\nchrono: 1.0\n")
    config = load_config(LagsConfig, tmp_path / "config.yaml")
    assert config == replace(LagsConfig(), model="rnn", chrono=1.0)
    assert config.recurrent.recurrent_kernel == "orthogonal"
    assert config.recurrent.truncate is None
