"""Tests of the actions pipeline alone, on a few clips of moving digits and on videos."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from errorflow.layers import LSTM
from errorflow.pipelines.actions.training import (
    build_serving_model,
    clip_batches,
    evaluate,
    in_runs,
)
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.datasets.clips.clip_data import ClipSplit
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.vision import frames_to_labels, image_encoder
from event_files import read
from tasks import TABLE, errorflow, film

pytestmark = pytest.mark.usefixtures("undrawn")

TINY = TABLE["actions"].flags.split()


@pytest.fixture
def where(finished_run):
    with finished_run("actions") as folder:
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "actions" / "a")


def actions(run_dir: Path, verb: str, *flags: str) -> int:
    return errorflow("actions", verb, run_dir, *flags)


def test_the_baseline_is_one_of_nine_actions_and_the_error_flow_is_stated(run):
    results = run.results()
    assert results["test"]["baseline"] == pytest.approx(1 / 9)
    assert results["verdict"][0].startswith("rnn_1")
    gradients, _ = read(run.logs / "train")
    assert "layer_gradients/global_norm" in gradients[max(gradients)]


@pytest.mark.slow
def test_convolutions_train_on_two_replicas_without_warnings(where, tmp_path):
    """In a separate process, since the start of TensorFlow decides how it computes convolutions.

    Neither the environment nor keras.json can choose another backend or data format.
    """
    settings = {"backend": "jax", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "errorflow.pipelines.actions", "train", "--name", "two"]
    flags = ["--run-dir", str(tmp_path), "--strategy", "mirrored", *TINY, "--jit", "auto"]
    process = subprocess.run(
        [*command, *flags],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"},
    )
    assert process.returncode == 0, process.stderr
    assert "× 2 replicas" in process.stderr
    assert not re.search("^(I0|E0|WARN)", process.stderr, re.MULTILINE)
    assert process.stdout.startswith("epoch 1/")
    assert RunFolder(tmp_path / "actions" / "two").status == "finished"


def test_layer_gradients_include_the_convolutions(run):
    _, metadata = read(run.logs / "train")
    content = json.loads(metadata["layer_gradients/rows"].plugin_data.content)
    assert any("conv1" in name for name in content["layers"])
    assert any("rnn_1" in name for name in content["layers"])


def test_predict_prints_labels_of_clip_and_frames(where, tmp_path, capsys):
    paths = [str(film(tmp_path / "a.gif", 1)), str(film(tmp_path / "b.gif", 2))]
    assert actions(where, "predict", "--name", "a", *paths, "--top", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [paths[0], "", paths[1], ""]
    assert len(lines[0].split("\t")) == 3
    assert lines[1].startswith("\tframe by frame: ")
    assert sum(int(part.split("×")[1]) for part in lines[1].split(": ")[1].split(", ")) == 16


def test_a_users_videos_have_labels_of_clips_only(tmp_path, capsys):
    for label, step in (("left", -2), ("right", 2)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            film(tmp_path / "data" / label / f"{number}.gif", step, 100 + 10 * number)
    flags = ["--data-dir", str(tmp_path / "data"), "--model", "bag", "--frames", "4", *TINY]
    assert actions(tmp_path, "train", "--name", "a", *flags) == 0
    run = RunFolder(tmp_path / "actions" / "a")
    assert set(run.results()["test"]) == {"accuracy", "macro_f1", "baseline"}
    assert run.results()["verdict"] == ["no recurrent layer: no error flows through time"]
    capsys.readouterr()
    assert actions(tmp_path, "predict", str(tmp_path / "data" / "left" / "0.gif")) == 0
    assert "frame by frame" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "nowhere.mp4"], "nowhere.mp4: no such file or folder"),
        (["train", "--frames", "1"], "--frames (key frames) must be 2 or more, got 1"),
        (["train", "--size", "16"], "--size 16: lenet5 needs 32 pixels or more"),
        (["train", "--cnn", "mlp"], "--cnn mlp: this network has no convolutions"),
    ],
)
def test_an_error_is_one_line(where, arguments, message, capsys):
    assert actions(where, *arguments) == (3 if "predict" in arguments else 2)
    assert capsys.readouterr().err.splitlines()[-1] == f"errorflow: {message}"


def test_the_first_frame_has_weight_0():
    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (5, 4, 32, 32, 1)).astype(np.uint8)
    part = ClipSplit(clips, np.array([0, 1, 1, 0, 1]), random.integers(0, 2, (5, 4)))
    for _, _, weights in clip_batches(part, 2, seed=0).dataset():
        np.testing.assert_array_equal(weights["frames"], [[0, 1, 1, 1]] * 2)
    other = ClipSplit(clips, part.labels, part.frame_labels.copy())
    other.frame_labels[:, 0] = 1 - other.frame_labels[:, 0]
    encoder = image_encoder("lenet5", (32, 32, 1), width=0.5, features=4)
    core = frames_to_labels(
        LSTM, encoder, labels=2, frames=True, motion=False, units=3, dropout=0.0
    )
    serving_model = build_serving_model(core, ["a", "b"])
    figures, changed = (
        evaluate(serving_model, split, ["a", "b"]).figures for split in (part, other)
    )
    assert changed == figures


def test_motion_adds_the_difference_to_the_previous_frame():
    """An image encoder that returns the pixel in the middle and its difference."""
    pixels = keras.Input([3, 3, 2])
    picture = keras.Model(pixels, pixels[:, 1, 1])
    core = frames_to_labels(None, picture, labels=2, frames=True, motion=True, units=1, dropout=0.0)
    features = keras.Model(core.input, core.get_layer("each_frame").output)
    clips = np.zeros([1, 3, 3, 3, 1], np.float32)
    clips[0, :, 1, 1, 0] = [10, 14, 9]
    assert features(clips)[0].numpy().tolist() == [[10, 0], [14, 4], [9, -5]]


def test_the_prediction_for_a_frame_depends_only_on_frames_up_to_it():
    """Later frames change nothing; the prediction for the clip is that after the last frame."""
    picture = image_encoder("lenet5", (32, 32, 1), width=0.5, features=4)
    core = frames_to_labels(
        LSTM, picture, labels=3, frames=True, motion=False, units=5, dropout=0.0
    )
    clips = np.random.default_rng(1).uniform(0, 255, (2, 6, 32, 32, 1)).astype(np.float32)
    whole, part = core(clips), core(clips[:, :4])
    np.testing.assert_allclose(whole["frames"][:, :4], part["frames"], rtol=1e-4)
    assert np.abs(whole["clip"] - part["clip"]).max() > 1e-4


def test_repeated_labels_are_printed_with_their_counts():
    assert in_runs(["grow", "grow", "stay", "grow"]) == "grow ×2, stay ×1, grow ×1"
    assert in_runs([]) == ""


def test_a_serving_model_has_labels_probabilities_and_frames(run):
    outputs = load(run.best)(np.zeros([1, 16, 32, 32, 1], np.float32))
    assert {*outputs} == {"label", "probabilities", "frames"}
