"""Run folders: written atomically, overwritten only on request, found again. No TensorFlow."""

import json
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from errorflow.pipelines import names
from errorflow.pipelines.commands import runs as run_tables
from errorflow.pipelines.commands.runs import figures_of
from errorflow.pipelines.core import run_lifecycle as lifecycle
from errorflow.pipelines.core.config import RunChoice, replace
from errorflow.pipelines.core.config_files import config_dict, load_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import atomic, read_json, write_json, write_rows
from errorflow.pipelines.core.replacement import run_at
from errorflow.pipelines.core.run_config import run_config
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_lock import FolderInUse
from errorflow.pipelines.core.run_selection import (
    all_runs,
    choose_run,
    latest_usable,
    run_to_resume,
)
from errorflow.pipelines.dispatch import training_config
from errorflow.pipelines.documents.config import DocumentsConfig
from errorflow.pipelines.names.config import NamesConfig
from fake_training import complete_epoch


@pytest.fixture
def config(tmp_path: Path) -> NamesConfig:
    return replace(NamesConfig(), run_dir=tmp_path / "runs", name="a", units=3)


def begin(config: NamesConfig, resume: RunFolder | None = None) -> RunFolder:
    """A run that has begun, and whose process has ended without recording its status."""
    run = lifecycle.folder_to_train_in("names", config, resume)
    return lifecycle.begin_in(run, "names", config, {"python": "3"})


def finished(config: NamesConfig, resume: RunFolder | None = None, **figures) -> RunFolder:
    run = lifecycle.folder_to_train_in("names", config, resume)
    with lifecycle.training_in(run, "names", config, {"python": "3"}) as begin_training:
        begin_training()
        run.update(**figures)
        zipfile.ZipFile(run.best, "w").close()
    return run_at(config.run.run_dir / "names" / run.name)


def test_a_new_run_has_its_folders_and_its_complete_configuration(config):
    run = begin(config)
    assert run.path == config.run.run_dir / "names" / "a"
    assert all((run.path / folder).is_dir() for folder in lifecycle.SUBFOLDERS)
    assert config_dict(load_config(NamesConfig, run.config_file)) == config_dict(config)


def test_atomic_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text('{"ne')
        raise ZeroDivisionError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_null_for_what_is_not_a_number(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"loss": float("nan"), "rows": [1.0, float("inf")]})
    assert json.loads(path.read_text()) == {"loss": None, "rows": [1.0, None]}


def test_a_finished_run_is_overwritten_only_with_the_overwrite_flag(config):
    run = finished(config)
    with pytest.raises(UserError, match="exists \\(finished\\): --overwrite to replace it"):
        begin(config)
    assert run.best.exists()


def test_a_folder_that_is_not_a_run_is_never_removed(config):
    precious = config.run.run_dir / "names" / "a" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("x")
    with pytest.raises(UserError, match="is not a run"):
        begin(replace(config, overwrite=True))
    assert precious.exists()


def test_a_running_run_is_left_alone(config):
    run = lifecycle.folder_to_train_in("names", config)
    with lifecycle.training_in(run, "names", config, {}):
        assert run.status == "running"
        with pytest.raises(FolderInUse):
            begin(replace(config, overwrite=True))
        with pytest.raises(FolderInUse):
            run_to_resume(config.run.run_dir, "names", "a")
    assert run.status == "finished"


def test_a_run_whose_process_is_gone_was_interrupted(config):
    run = begin(config)
    assert run.status == "interrupted"
    with pytest.raises(UserError, match="--resume to continue it, --overwrite to replace it"):
        begin(config)


def test_resume_takes_the_latest_interrupted_run_and_its_own_configuration(config):
    finished(replace(config, name="done"))
    begin(config)
    flags = ["--resume", "--run-dir", str(config.run.run_dir)]
    resumed, run = training_config(names.TASK, flags)
    assert resumed.network.units == 3
    assert begin(resumed, run).name == "a"


def test_resume_with_another_model_is_refused_and_names_the_keys(config):
    run = begin(config)
    other = replace(config, units=4, model="gru", epochs=99, device="cpu")
    with pytest.raises(UserError) as error:
        begin(other, run)
    assert "model (lstm → gru)" in str(error.value)
    assert "units (3 → 4)" in str(error.value)
    assert "epochs" not in str(error.value)


def test_a_default_is_not_another_setting_than_its_value(config):
    """DocumentsConfig's learning rate is None until the model is known."""
    documents = replace(DocumentsConfig(), run_dir=config.run.run_dir, name="a")
    run = lifecycle.folder_to_train_in("documents", documents)
    lifecycle.begin_in(run, "documents", documents, {})
    assert lifecycle.folder_to_train_in("documents", documents.resolved(), run) == run


def test_a_finished_run_continues_only_for_more_epochs(config):
    run = finished(config)
    complete_epoch(run)
    with pytest.raises(UserError, match="is finished; to train longer, give more --epochs"):
        begin(config, run)
    assert begin(replace(config, epochs=config.optimisation.epochs + 1), run).name == "a"


def test_nothing_to_resume(config):
    with pytest.raises(UserError, match="no interrupted run"):
        run_to_resume(config.run.run_dir, "names", None)


def test_runs_without_a_name_never_share_a_folder(config):
    paths = [begin(replace(config, name=None)).path for _ in range(3)]
    assert len(set(paths)) == 3
    assert all(path.name.startswith("lstm-") for path in paths)


def test_the_status_names_how_training_ended(config):
    run = begin(config)
    with pytest.raises(KeyboardInterrupt), lifecycle.recorded_status(run):
        raise KeyboardInterrupt
    assert run.status == "interrupted"
    with pytest.raises(ValueError, match="odd"), lifecycle.recorded_status(run):
        raise ValueError("odd\nshape")
    assert (run.status, run.results()["error"]) == ("failed", "ValueError: odd")


@pytest.mark.parametrize("left", ["history.csv", "logs/events"])
def test_a_mistake_removes_a_run_that_has_nothing_and_no_other(config, left):
    run = begin(config)
    (run.path / left).write_text("x")
    with pytest.raises(UserError), lifecycle.recorded_status(run):
        raise UserError("no such size")
    assert run.status == "failed"
    (run.path / left).unlink()
    with pytest.raises(UserError), lifecycle.recorded_status(run):
        raise UserError("no such size")
    assert not run.path.exists()


@pytest.mark.parametrize("text", ["", "- 1", "units: 3\n", None])
def test_a_changed_configuration_is_refused_and_its_copy_is_named(config, text, tmp_path):
    run = finished(config)
    complete_epoch(run)
    stored = run.config_file.read_text(encoding="utf-8")
    longer = replace(config, epochs=config.optimisation.epochs + 1)
    begin(longer, run)  # and is killed
    assert run_config(NamesConfig, run).optimisation.epochs == longer.optimisation.epochs
    run.config_file.write_text(stored)  # as if it was killed before config.yaml was written
    assert run_config(NamesConfig, run).optimisation.epochs == config.optimisation.epochs
    run.config_file.write_text(stored.replace("units: 3", "units: 4") if text is None else text)
    before = run.results_file.read_bytes()
    with pytest.raises(UserError, match=r"config\.yaml .*(changed|empty|must hold)"):
        training_config(names.TASK, ["--resume", "--name", "a", *run.run_dir_flag.split()])
    assert run.results_file.read_bytes() == before
    shutil.copyfile(run.backup / "config.yaml", run.config_file)
    assert run_config(NamesConfig, run).network.units == 3


def test_a_damaged_model_is_refused_and_the_other_one_is_named(config):
    run = finished(config)
    complete_epoch(run)
    run.best.write_bytes(b"PK")
    choice = RunChoice(name="a", run_dir=config.run.run_dir)
    with pytest.raises(UserError, match=r"best\.keras is damaged: copy last\.keras"):
        choose_run(choice, "names")
    run.last.unlink()
    with pytest.raises(UserError, match=r"best\.keras is damaged: train it again"):
        choose_run(choice, "names")


def test_the_latest_finished_run_is_used_unless_one_is_named(config):
    for name in ("a", "b"):
        finished(replace(config, name=name))
    begin(replace(config, name="c"))
    assert latest_usable(config.run.run_dir, "names", None).name == "b"
    assert latest_usable(config.run.run_dir, "names", "a").name == "a"
    with pytest.raises(UserError, match="has no model yet"):
        latest_usable(config.run.run_dir, "names", "c")
    with pytest.raises(UserError, match="the latest runs: a, b, c"):
        latest_usable(config.run.run_dir, "names", "d")


def test_a_run_never_continues_with_other_data(config):
    run, counts = begin(config), {"a": 3}
    data = SimpleNamespace(source="here", content_hash="1a", counts=counts, left_out=())
    lifecycle.record_data(run, data)
    lifecycle.record_data(run, data)
    assert run.results()["data"] == {"source": "here", "content_hash": "1a", "counts": counts}
    data.content_hash = "2b"
    with pytest.raises(UserError, match="have changed since it was trained"):
        lifecycle.record_data(run, data)


def test_a_file_where_the_run_folder_should_be(config):
    config.run.run_dir.write_text("")
    with pytest.raises(UserError, match="cannot write the run folder"):
        begin(config)


def test_runs_and_compare_show_figures_and_differing_keys_alone(config, capsys):
    run = finished(config, test={"accuracy": 0.5, "macro_f1": 0.25}, best_epoch=2)
    write_rows(run.history_file, [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}])
    finished(replace(config, name="b", units=8), test={"accuracy": 0.75, "macro_f1": 0.5})
    where = ["--run-dir", str(config.run.run_dir)]
    run_tables.command(where)
    listed = capsys.readouterr().out
    assert "names/a" in listed
    assert "2 (best 2)" in listed
    assert "0.7500" in listed
    run_tables.command(["compare", "a", "names/b", *where])
    compared = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["units", "3", "8"] in compared
    assert ["test", "macro", "f1", "0.2500", "0.5000"] in compared
    assert not any(line[:1] == ["layers"] for line in compared)


def test_compare_shows_the_headlines_of_each_layer(config, capsys):
    vanishing = {"layer": "rnn_1", "kind": "vanishing", "headline": "vanishing, step 1 gets 2e-4"}
    clipped = {"layer": "", "kind": "clipped", "headline": "clipped in 97% of the steps"}
    old = {"layer": "rnn_1", "kind": "healthy"}  # of a version without headlines
    finished(config, findings=[vanishing, clipped, clipped], verdict=["", "", ""])
    finished(replace(config, name="b"), findings=[old], verdict=[""])
    run_tables.command(["compare", "--run-dir", str(config.run.run_dir)])
    compared = [re.split(" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ["finding rnn_1", vanishing["headline"], "healthy"] in compared
    assert ["finding", "; ".join([clipped["headline"]] * 2)] in compared


def test_compare_takes_the_two_latest_by_default(config, capsys):
    finished(config)
    where = ["--run-dir", str(config.run.run_dir)]
    with pytest.raises(UserError, match="two runs are needed"):
        run_tables.command(["compare", *where])
    for name in ("b", "c"):
        finished(replace(config, name=name))
    run_tables.command(["compare", *where])
    assert capsys.readouterr().out.split()[:2] == ["b", "c"]


def test_compare_with_a_wrong_name(config):
    finished(config)
    with pytest.raises(UserError, match="no run 'zzz'"):
        run_tables.command(["compare", "a", "zzz", "--run-dir", str(config.run.run_dir)])


def test_a_run_is_named_with_its_folder_unless_that_is_the_usual_one():
    assert RunFolder(Path("runs/names/a")).flags == "--name a"
    elsewhere = RunFolder(Path("other/names/a"))
    assert (elsewhere.flags, elsewhere.run_dir_flag) == (
        "--name a --run-dir other",
        " --run-dir other",
    )


# Damaged runs

DAMAGED_RESULTS = {
    "": "empty",
    "\0" * 50: "not JSON",
    "[]": "not a JSON object",
    "{}": "no status",
    '{"accuracy": 0.5, "seconds": "12"}': "no status",
    '{"a":' * 100_000: "nested too deeply",
    '{"status": "finished", "seconds": "12"}': "seconds is not a number",
    '{"status": "finished", "test": [1]}': "test is not figures by name",
    '{"status": "finished", "parameters": 1' + "0" * 3000 + "}": "parameters is not a whole number",
    '{"status": "finished", "findings": [3]}': "findings is not a list of findings",
    '{"status": {}}': "status is not one of running",
}


@pytest.mark.parametrize("text, reason", DAMAGED_RESULTS.items(), ids=DAMAGED_RESULTS.values())
def test_damaged_results_hide_no_other_run(config, text, reason, capsys):
    finished(config)
    bad = finished(replace(config, name="bad"))
    bad.results_file.write_text(text)
    where = config.run.run_dir
    assert {run.name: run.status for run in all_runs(where)} == {"bad": "damaged", "a": "finished"}
    run_tables.command(["--run-dir", str(where)])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert f"results.json: {reason}" in lines["names/bad"]
    assert "finished" in lines["names/a"] and "results.json" not in lines["names/a"]
    assert latest_usable(where, "names", None).name == "a"
    assert f"bad (results.json: {reason}" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"bad is damaged .results.json: {reason}"):
        latest_usable(where, "names", "bad")
    with pytest.raises(UserError, match="no interrupted run"):
        run_to_resume(where, "names", None)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "empty"),
        ("epoch,loss\n1,ab", "line 2: 'ab' at 'loss' is no number"),
        ("epoch,loss\n1\n", "line 2: the number of cells is not that of the first line"),
        ("epoch,loss\n1,2,3\n", "line 2: the number of cells is not that of the first line"),
        ("epoch,loss\n1,2", "its last line was cut"),
        ("epoch,loss\n2,1\n", "its epochs are not 1, 2, 3 and so on"),
        ("time,event\n1,2\n", "its epochs are not 1, 2, 3 and so on"),
        ("epoch,loss\n1,2\n", "1 of 2 epochs"),
        ("\0" * 200_000, "line 1: field larger than field limit"),
    ],
)
def test_a_damaged_history_is_marked_and_the_model_is_used(config, text, reason, capsys):
    run = finished(config, epochs=2, best_epoch=1)
    run.history_file.write_text(text)
    assert figures_of(run)["damaged"].startswith(f"history.csv: {reason}")
    assert latest_usable(config.run.run_dir, "names", None).name == "a"


def test_what_is_no_folder_of_a_run_hides_no_run(config, capsys):
    run = finished(config)
    (run.path.parent / "notes.txt").write_text("x")
    (run.path.parent / "gone").symlink_to("nothing")
    (run.path.parent / "loop").symlink_to("loop")
    (config.run.run_dir / "lags").symlink_to("lags")
    bad = finished(replace(config, name="bad"))
    bad.results_file.unlink()
    assert {run.name: run.damage for run in all_runs(config.run.run_dir)} == {
        "gone": "gone: No such file or directory",
        "loop": "loop: Too many levels of symbolic links",
        "bad": "results.json: No such file or directory",
        "a": None,
    }
    assert "lags: cannot be read (Too many levels of symbolic links)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "file, damage",
    [
        ("config.yaml", b""),
        ("config.yaml", b"units: [3"),
        ("config.yaml", None),
        ("checkpoints/best.keras", b"PK\x03\x04"),
        ("checkpoints/best.keras", None),
    ],
)
def test_the_latest_run_whose_model_can_be_used_is_chosen(config, file, damage, capsys):
    finished(config)
    bad = finished(replace(config, name="bad"))
    (bad.path / file).unlink()
    if damage is not None:
        (bad.path / file).write_bytes(damage)
    assert latest_usable(config.run.run_dir, "names", None).name == "a"
    assert Path(file).name in capsys.readouterr().err


def test_compare_goes_on_without_what_cannot_be_read(config, capsys):
    for name in ("a", "b"):
        finished(replace(config, name=name, units=1 + ord(name)))
    bad = finished(replace(config, name="bad"))
    bad.config_file.write_text("- 1")
    run_tables.command(["compare", "a", "bad", "b", "--run-dir", str(config.run.run_dir)])
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines() if "units" in line] == [
        ["units", "98", "99"]
    ]
    assert "bad/config.yaml must hold" in printed.err
