"""The actions pipeline from end to end, on a few clips of moving digits and on a user's videos."""

import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from errorflow.layers import LSTM
from errorflow.pipelines import cli
from errorflow.pipelines.actions.training import _batches, build_serving_model, evaluate, in_runs
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.datasets.clips.clip_data import ClipSplit
from errorflow.pipelines.models.serving import load
from errorflow.pipelines.models.vision import frames_to_labels, image_encoder
from event_files import read
from PIL import Image

TINY = ["--width", "0.5", "--features", "8", "--units", "6", "--batch-size", "8", "--epochs", "1"]
FILES = [
    *["config.yaml", "environment.json", "history.csv", "results.json", "README.md"],
    *["checkpoints/best.keras", "checkpoints/last.keras", "samples/test.csv"],
    *[f"plots/{name}.png" for name in ("curves", "error_flow", "layer_gradients", "confusion")],
    "plots/gates.png",
]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A folder with one finished run on few embedded clips, actions/a."""
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.clips.moving_digit_clips import MovingDigits

    folder = tmp_path_factory.mktemp("actions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(folder / "tfds"))
        patch.setenv("TFDS_DATA_DIR", str(folder / "tfds"))
        patch.setattr(MovingDigits, "NUMBERS", {"train": 36, "validation": 9, "test": 18})
        assert errorflow(folder, "train", "--name", "a", *TINY) == 0
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "actions" / "a")


def errorflow(where: Path, verb: str, *arguments: str) -> int:
    return cli.main(["actions", verb, "--run-dir", str(where), *arguments])


def write_video(path: Path, step: int, shade: int = 200) -> Path:
    """Write a video of a bright square that moves across a dark frame."""
    frames = []
    for number in range(8):
        pixels = np.zeros([40, 40, 3], np.uint8)
        left = 16 + step * (number - 4)
        pixels[14:26, left : left + 8] = shade
        frames.append(Image.fromarray(pixels))
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def test_a_run_folder_contains_all_files_and_results(run):
    for name in FILES:
        assert (run.path / name).stat().st_size > 0
    figures = {"accuracy", "macro_f1", "baseline", "frame_accuracy", "frame_baseline"}
    assert set(run.results()["test"]) == set(run.results()["validation"]) == figures
    assert run.results()["test"]["baseline"] == pytest.approx(1 / 9)
    gradients, _ = read(run.logs / "layer_gradients")
    assert "layer_gradients/global_norm" in gradients[max(gradients)]
    layers = json.loads((run.path / "results.json").read_text())["verdict"]
    assert layers[0].startswith("rnn_1")


def test_convolutions_train_on_two_replicas_on_the_cpu(where, tmp_path):
    """In a separate process, since the start of TensorFlow decides how it computes convolutions."""
    command = [sys.executable, "-m", "errorflow.pipelines.actions", "train", "--name", "two"]
    flags = ["--run-dir", str(tmp_path), "--strategy", "mirrored", *TINY]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "× 2 replicas" in done.stderr


def test_layer_gradients_include_the_convolutions(run):
    _, metadata = read(run.logs / "layer_gradients")
    content = json.loads(metadata["layer_gradients/rows"].plugin_data.content)
    assert any("conv1" in name for name in content["layers"])
    assert any("rnn_1" in name for name in content["layers"])


def test_evaluate_reproduces_the_results_of_training(where, run, capsys):
    expected = run.results()["test"]
    assert errorflow(where, "evaluate") == 0
    out = capsys.readouterr().out
    assert f"frame-accuracy {expected['frame_accuracy']:.4f}" in out
    assert run.results()["test"] == expected


def test_predict_prints_labels_of_clip_and_frames(where, tmp_path, capsys, monkeypatch):
    paths = [str(write_video(tmp_path / "a.gif", 1)), str(write_video(tmp_path / "b.gif", 2))]
    assert errorflow(where, "predict", *paths, "--top", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [paths[0], "", paths[1], ""]
    assert len(lines[0].split("\t")) == 3
    assert lines[1].startswith("\tframe by frame: ")
    assert sum(int(part.split("×")[1]) for part in lines[1].split(": ")[1].split(", ")) == 16
    monkeypatch.setattr(sys, "stdin", io.StringIO(paths[1] + "\n"))
    assert errorflow(where, "predict", "--top", "2") == 0
    assert capsys.readouterr().out.splitlines() == lines[2:]


def test_a_users_videos_have_labels_of_clips_only(tmp_path, capsys):
    for label, step in (("left", -2), ("right", 2)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            write_video(tmp_path / "data" / label / f"{number}.gif", step, 100 + 10 * number)
    flags = ["--data-dir", str(tmp_path / "data"), "--model", "bag", "--frames", "4", *TINY]
    assert errorflow(tmp_path, "train", "--name", "a", *flags) == 0
    run = RunFolder(tmp_path / "actions" / "a")
    assert set(run.results()["test"]) == {"accuracy", "macro_f1", "baseline"}
    assert run.results()["verdict"] == ["no recurrent layer: no error flows through time"]
    capsys.readouterr()
    assert errorflow(tmp_path, "predict", str(tmp_path / "data" / "left" / "0.gif")) == 0
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
    assert errorflow(where, *arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"errorflow: {message}"


def test_exported_models_have_the_same_outputs(where, run, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    assert errorflow(where, "export", "--name", "a", "--format", "saved_model,onnx") == 0
    assert capsys.readouterr().out.count("read back") == 2


def test_the_first_frame_has_weight_0():
    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (5, 4, 32, 32, 1)).astype(np.uint8)
    part = ClipSplit(clips, np.array([0, 1, 1, 0, 1]), random.integers(0, 2, (5, 4)))
    for _, _, weights in _batches(part, 2, seed=0).dataset():
        np.testing.assert_array_equal(weights["frames"], [[0, 1, 1, 1]] * 2)
    other = ClipSplit(clips, part.labels, part.frame_labels.copy())
    other.frame_labels[:, 0] = 1 - other.frame_labels[:, 0]
    picture = image_encoder("lenet5", (32, 32, 1), width=0.5, features=4)
    core = frames_to_labels(
        LSTM, picture, labels=2, frames=True, motion=False, units=3, dropout=0.0
    )
    serving_model = build_serving_model(core, ["a", "b"])
    assert evaluate(serving_model, part, ["a", "b"]).figures == evaluate(
        serving_model, other, ["a", "b"]
    ).figures | {
        "frame_baseline": evaluate(serving_model, part, ["a", "b"]).figures["frame_baseline"]
    }


def test_motion_adds_the_difference_to_the_previous_frame():
    """An image encoder that returns the pixel in the middle and its difference."""
    pixels = keras.Input([3, 3, 2])
    picture = keras.Model(pixels, pixels[:, 1, 1])
    core = frames_to_labels(None, picture, labels=2, frames=True, motion=True, units=1, dropout=0.0)
    seen = keras.Model(core.input, core.get_layer("each_frame").output)
    clips = np.zeros([1, 3, 3, 3, 1], np.float32)
    clips[0, :, 1, 1, 0] = [10, 14, 9]
    assert seen(clips)[0].numpy().tolist() == [[10, 0], [14, 4], [9, -5]]


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


def test_the_serving_model_loads_in_plain_keras(run):
    serving_model = load(run.best)
    given = serving_model(np.zeros([1, 16, 32, 32, 1], np.float32))
    assert set(given) == {"label", "probabilities", "frames"}
    assert isinstance(serving_model, keras.Model)
