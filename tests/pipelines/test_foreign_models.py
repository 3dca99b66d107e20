"""Models and run folders from somebody else run no code: each is refused in one line."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from errorflow.pipelines import api, cli
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.models.keras_file import check_keras_file, check_weights_file
from errorflow.pipelines.models.serving import load
from keras.src.saving.serialization_lib import SafeModeScope

EARLIER = Path(__file__).parents[1] / "data" / "first_edition" / "runs" / "names" / "finished"
SOUND = EARLIER / "checkpoints" / "best.keras"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(autouse=True)
def somebody_has_turned_safe_mode_off():
    """As `keras.config.enable_unsafe_deserialization()` does."""
    with SafeModeScope(False):
        yield


def rewrite(path: Path, changes: dict[str, bytes | None], **how) -> Path:
    """Write a copy of a sound model with other members; None leaves one out."""
    with zipfile.ZipFile(SOUND) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def with_part(path: Path, part: object) -> Path:
    """Write a copy of a sound model in which a part stands where the first layer was."""
    with zipfile.ZipFile(SOUND) as archive:
        config = json.loads(archive.read(CONFIG))
    config["config"]["layers"][0] = part
    return rewrite(path, {CONFIG: json.dumps(config).encode()})


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def dangerous(marker: Path) -> keras.layers.Lambda:
    """A layer that leaves a file behind when its code is run."""
    code = f"__import__('pathlib').Path({str(marker)!r}).touch() or x"
    return keras.layers.Lambda(eval(f"lambda x: {code}"), output_shape=(3,))


def in_a_network(layer):
    return keras.Sequential([keras.Input((3,)), layer])


def in_a_sub_model(layer):
    return in_a_network(in_a_network(layer))


def in_a_wrapper(layer):
    return keras.Sequential([keras.Input((2, 3)), keras.layers.TimeDistributed(layer)])


@pytest.mark.parametrize("place", [in_a_network, in_a_sub_model, in_a_wrapper])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_layer_is_refused_and_not_run(tmp_path, place, suffix):
    marker = tmp_path / "run"
    written, path = tmp_path / f"written{suffix}", tmp_path / "best.keras"
    place(dangerous(marker)).save(written)
    marker.unlink(missing_ok=True)
    written.rename(path)  # .h5 is the format of Keras 2, which has no safe mode
    fault = "holds 'keras.layers.Lambda'" if suffix == ".keras" else "is not a .keras file"
    assert fault in refusal(path)
    assert not marker.exists()


FUNCTION = {"class_name": "function", "registered_name": "function"}
LAYER = {"config": {"name": "x"}, "registered_name": None}


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"class_name": "__lambda__", "config": {"value": "x"}}, "__lambda__"),
        ({**FUNCTION, "module": "os", "config": "system"}, "os.system"),
        ({**FUNCTION, "module": "keras.utils", "config": "get_file"}, "keras.utils.get_file"),
        ({**LAYER, "module": "os", "class_name": "system"}, "os.system"),
        ({**LAYER, "module": "subprocess", "class_name": "Popen"}, "subprocess.Popen"),
        ({**LAYER, "module": "keras.layers", "class_name": "TFSMLayer"}, "keras.layers.TFSMLayer"),
        ({**LAYER, "module": "keras.layers", "class_name": "Lambda"}, "keras.layers.Lambda"),
        ({**LAYER, "module": "keras.src.export", "class_name": "A"}, "keras.src.export.A"),
        (
            {"module": "keras.layers", "class_name": "Lambda", "registered_name": "errorflow>X"},
            "keras.layers.Lambda",
        ),
        (
            {"module": "keras.layers", "class_name": "Dense", "registered_name": "other>Dense"},
            "keras.layers.Dense",
        ),
        ({"a": [{"class_name": ["x"], "config": {}}]}, "x"),
        ({"class_name": "StringLookup", "module": "keras.layers", "vocabulary": "/x"}, "'/x'"),
    ],
)
def test_what_no_network_of_errorflow_has_is_refused(tmp_path, part, name):
    for nested in (part, {"config": {"cell": part}}, [[{"activation": part}]]):
        line = refusal(with_part(tmp_path / "best.keras", nested))
        assert name in line
        assert "not part of errorflow's networks" in line


def link_in(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo(WEIGHTS)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, "/etc/passwd")


def test_members_of_other_names_and_links_are_refused(tmp_path):
    path = tmp_path / "best.keras"
    for name in ("/tmp/x", "../../x", "assets/x", "..\\x", "x\x1b[2J"):
        assert "holds a file named" in refusal(rewrite(path, {name: b""}))
    rewrite(path, {WEIGHTS: None})
    with zipfile.ZipFile(path, "a") as archive:
        link_in(archive)
    assert "holds a link" in refusal(path)
    with pytest.warns(UserWarning), zipfile.ZipFile(rewrite(path, {}), "a") as archive:
        archive.writestr(CONFIG, "{}")  # the second of its name
    assert "is not a .keras file, or damaged" in refusal(path)


def test_zip_bombs_and_bottomless_configurations_are_refused(tmp_path):
    path = tmp_path / "best.keras"
    bomb = {WEIGHTS: bytes(10**7)}
    assert "a compressed" in refusal(rewrite(path, bomb, compression=zipfile.ZIP_DEFLATED))
    for config in (b"[" * 10**5, b'{"a":' * 10**5, b"{", b"[]", b"\xff", b"1"):
        assert "is not a .keras file, or damaged" in refusal(rewrite(path, {CONFIG: config}))
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    assert refusal(rewrite(path, {CONFIG: deep}))


def test_pipes_folders_and_other_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "pickle.keras").write_bytes(b"\x80\x04cos\nsystem\n")
    for name, fault in (
        ("pipe", "is not a file"),
        ("folder", "is not a file"),
        ("pickle", "is not"),
    ):
        assert fault in refusal(tmp_path / f"{name}.keras")
    (tmp_path / "cut.keras").write_bytes(SOUND.read_bytes()[:30_000])
    assert "or damaged" in refusal(tmp_path / "cut.keras")
    assert "or damaged" in refusal(tmp_path / "missing.keras")


def external(file: h5py.File) -> None:
    file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "w", (4,))
    file.create_virtual_dataset("w", layout)


def linked(file: h5py.File) -> None:
    file["w"] = h5py.ExternalLink("/etc/passwd", "w")


def aliased(file: h5py.File) -> None:
    file["w"] = h5py.SoftLink("/v")


def unstored(file: h5py.File) -> None:
    file.create_dataset("w", (10**12,), "f4", chunks=(10**6,), compression="gzip")


def objects(file: h5py.File) -> None:
    file.create_dataset("w", (1,), h5py.string_dtype())


@pytest.mark.parametrize("write", [external, virtual, linked, aliased, unstored, objects])
def test_weights_elsewhere_or_without_end_are_refused(tmp_path, write):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        write(file.create_group("layers/x"))
    with pytest.raises(UserError, match="it holds weights that are"):
        check_weights_file(path)
    model = rewrite(tmp_path / "best.keras", {WEIGHTS: path.read_bytes()})
    assert "it holds weights that are" in refusal(model)


def test_damaged_weights_are_refused(tmp_path):
    path = tmp_path / "a.weights.h5"
    np.savez(path.open("wb"), np.array([{}], object))  # a pickle
    with pytest.raises(UserError, match="is not a file of weights, or damaged"):
        check_weights_file(path)


def test_every_use_of_a_run_folder_refuses_its_model(tmp_path, capsys):
    run = tmp_path / "names" / "a"
    shutil.copytree(EARLIER, run)
    part = {**FUNCTION, "module": "os", "config": "system"}
    file = with_part(run / "checkpoints" / "best.keras", part)
    line = f"{file} was not loaded: it holds 'os.system'"
    for flags in (["predict", "Nowak"], ["export", "--to", str(tmp_path / "to")]):
        assert cli.main(["names", *flags, "--run", str(run)]) == 2
        assert line in capsys.readouterr().err.splitlines()[-1]
    for use in (lambda run: run.model, lambda run: run.predict("Nowak")):
        with pytest.raises(UserError, match=r"it holds 'os\.system'"):
            use(api.load_run(run))
    assert cli.main(["images", "train", "--weights", str(file), "--run-dir", str(tmp_path)]) == 2
    assert line in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "images").exists()


def test_a_model_of_errorflow_is_loaded_in_unsafe_mode_too():
    assert check_keras_file(SOUND)["class_name"] == "Functional"
    assert load(SOUND).get_layer("core")


def test_tensorboard_imports_no_module_from_the_current_folder(tmp_path, monkeypatch):
    """`python -m` would look there first, which may be the run folder of somebody else."""
    commands = []
    monkeypatch.setattr(os, "execve", lambda _, command, environment: commands.append(command))
    assert cli.main(["tensorboard", "--run-dir", str(tmp_path)]) == 0
    options = commands[0][1 : commands[0].index("-m")]
    (tmp_path / "json.py").write_text("raise SystemExit('code of somebody else')")
    command = [sys.executable, *options, "-m", "json.tool", "--help"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
