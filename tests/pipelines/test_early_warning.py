"""Warnings in a run: the flags that may help, results.json, and `--stop-when`."""

import shlex
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.callbacks import LayerGradients
from errorflow.callbacks.findings.training_warning import TrainingWarning
from errorflow.pipelines import cli
from errorflow.pipelines.core import run_lifecycle
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import load_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.stop_when import stop_kinds
from errorflow.pipelines.documents.config import DocumentsConfig
from errorflow.pipelines.images.config import ImagesConfig
from errorflow.pipelines.images.fitting import fit
from errorflow.pipelines.lags.config import LagsConfig
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.training import loop, summary
from errorflow.pipelines.training.early_warning import remedy_flags, report
from errorflow.pipelines.training.spec import TrainingSpec

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_kinds_to_stop_for():
    assert stop_kinds("stuck, vanishing,diverged") == ("stuck", "vanishing", "diverged")
    assert stop_kinds("") == ()
    with pytest.raises(UserError, match=r"--stop-when .* no 'stuk'; did you mean 'stuck'\?"):
        stop_kinds("diverged,stuk")


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_a_wrong_kind_is_refused_before_training(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["names", verb, "--stop-when", "never"]) == 2
    assert "--stop-when (key stop_when): no 'never'; known: stuck, " in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "config, settings, finding, flags",
    [
        (
            LagsConfig,
            {"model": "rnn", "clip_norm": 0.0},
            "vanishing",
            ["--model lstm", "--model gru", "--recurrent-kernel identity"],
        ),
        (LagsConfig, {"chrono": 0.0}, "vanishing", ["--model gru", "--chrono 1"]),
        (LagsConfig, {"clip_norm": 0.0}, "exploding", ["--clip-norm 1", "--learning-rate 0.001"]),
        (NamesConfig, {}, "not finite", ["--learning-rate 0.0008", "--warm-up 100"]),
        (
            DocumentsConfig,
            {"model": "rnn", "activation": "relu"},
            "vanishing",
            [
                "--model lstm --activation tanh",
                "--model gru --activation tanh",
                "--recurrent-kernel identity",
            ],
        ),
        (ImagesConfig, {"model": "resnet56", "skip": "false"}, "starving", ["--skip true"]),
        (
            ImagesConfig,
            {"model": "vgg16", "learning_rate": 0.01, "clip_norm": 1.0},
            "no gradient",
            ["--activation leaky_relu", "--learning-rate 0.001", "--normalization batch"],
        ),
    ],
)
def test_the_flags_that_may_help_exist_in_the_task_and_change_something(
    config, settings, finding, flags
):
    warning = TrainingWarning("", (), "", finding=finding)
    assert remedy_flags(warning, replace(config(), **settings).resolved()) == flags


def test_a_network_without_any_gradient_may_have_trained_too_fast():
    warning = TrainingWarning("stuck", (), "", {"all": True}, "no gradient")
    config = replace(NamesConfig(), clip_norm=0.0)
    assert remedy_flags(warning, config) == ["--learning-rate 0.0008", "--clip-norm 1"]


def test_a_lower_learning_rate_is_lower_than_the_fitted_one():
    config = replace(ImagesConfig(), model="vgg16").resolved()
    fitted = fit(config.optimisation, 100).optimisation
    flags = remedy_flags(
        TrainingWarning("", (), "", finding="no gradient"),
        loop.as_trained(SimpleNamespace(optimisation=fitted), config),
    )
    (rate,) = (flag for flag in flags if flag.startswith("--learning-rate "))
    assert 0 < float(rate.removeprefix("--learning-rate ")) < fitted.learning_rate


def test_a_warning_is_printed_and_recorded_once(tmp_path, capsys):
    config = replace(NamesConfig(), run_dir=tmp_path, name="a")
    run = run_lifecycle.begin_in(RunFolder(tmp_path / "names" / "a"), "names", config, {})
    evidence = {"silent": 100}
    warning = TrainingWarning("stuck", ("a", "b"), "a and b", evidence, "no gradient", step=240)
    report(run, config, warning)
    report(run, config, warning)  # as after a resume
    assert capsys.readouterr().err.splitlines() == [
        "warning, step 240: a and b; try --learning-rate 0.0008",
        "after the training, this command finds out what helps:"
        f" errorflow names doctor --run {run.path}",
    ]
    row = {"step": 240, "kind": "stuck", "layer": "a, b", "text": "a and b", "evidence": evidence}
    assert run.results()["warnings"] == [row]


@pytest.mark.parametrize("kind, times", [("vanishing", 1), ("healthy", 0)])
def test_the_end_of_a_training_names_the_doctor_if_something_is_wrong(
    kind, times, tmp_path, capsys
):
    run = RunFolder(tmp_path / "names" / "it's a")
    run.path.mkdir(parents=True)
    figures = {"test": {"accuracy": 0.5}, "best_epoch": 1, "epochs": 2, "seconds": 3, "padding": 0}
    findings = {"findings": [{"layer": "rnn", "kind": kind}], "verdict": ["rnn: a sentence"]}
    run.update(task="names", status="finished", **figures, **findings)
    summary.print_results(run, ["errorflow runs"])
    printed = capsys.readouterr().out
    command = f"errorflow names doctor --run {shlex.quote(str(run.path))}"
    assert printed.count(command) == printed.count("doctor") == times
    assert printed.endswith("  errorflow runs\n")


# One training that diverges


class Examples:
    """Forty batches of a linear function."""

    epoch, steps = 0, 40

    def dataset(self):
        x = np.random.default_rng(0).normal(size=[4 * self.steps, 3]).astype(np.float32)
        return tf.data.Dataset.from_tensor_slices((x, x.sum(axis=1, keepdims=True))).batch(4)


def test_a_run_that_is_stopped_is_complete(tmp_path):
    settings = {"optimizer": "sgd", "learning_rate": 1e3, "epochs": 9, "jit": "off"}
    config = replace(NamesConfig(), run_dir=tmp_path, name="a", stop_when="diverged", **settings)
    run = run_lifecycle.begin_in(RunFolder(tmp_path / "names" / "a"), "names", config, {})
    x = keras.Input([3])
    network = keras.Model(x, keras.layers.Dense(1)(x))
    spec = TrainingSpec(
        network=network,
        serving_model=network,
        train_data=Examples(),
        validation_data=Examples().dataset(),
        loss="mse",
        metrics=None,
        monitor="val_loss",
        mode="min",
        is_recurrent=False,
    )
    recorders = loop.Recorders(LayerGradients(run.logs), None, None, None)
    outcome = loop.fit(spec, config, run, tf.distribute.get_strategy(), recorders)
    summary.write_results(run, spec, outcome)
    results = run.results()
    assert [(w["kind"], w["step"]) for w in results["warnings"]] == [("diverged", 61)]
    assert results["stopped"]["status"] == "diverged"
    assert results["stopped"]["reason"].startswith("step 61: the loss is ")
    assert (results["ending"], results["epochs"]) == ("stopped: diverged", 2)
    assert run.best.exists() and run.last.exists()
    assert load_config(NamesConfig, run.config_file).optimisation.stop_when == "diverged"
