"""--overwrite: the earlier run is found and used until the new one is finished. No TensorFlow."""

import shutil
from pathlib import Path

import pytest
from errorflow.pipelines.commands import runs as run_tables
from errorflow.pipelines.core import run_lifecycle as lifecycle
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.replacement import run_at
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.run_selection import all_runs, latest_usable, open_run, run_to_resume
from errorflow.pipelines.names.config import NamesConfig
from fake_training import complete_epoch

OLD, NEW = {"accuracy": 0.5}, {"accuracy": 0.75}


class Killed(BaseException):
    pass


@pytest.fixture
def config(tmp_path: Path) -> NamesConfig:
    return replace(NamesConfig(), run_dir=tmp_path / "runs", name="a", overwrite=True)


def train(config: NamesConfig, resume: RunFolder | None = None, error=None, **figures) -> None:
    """Train a run as far as an error, or to the end."""
    run = lifecycle.folder_to_train_in("names", config, resume)
    with lifecycle.training_in(run, "names", config, {}) as begin:
        begin()
        if error is not None:
            raise error
        run.update(**figures)
        complete_epoch(run)


def killed(config: NamesConfig) -> None:
    """Begin a run in a process that is then killed."""
    run = lifecycle.folder_to_train_in("names", config)
    lifecycle.begin_in(run, "names", config, {})


def contents(run: RunFolder) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def folders(config: NamesConfig) -> list[str]:
    return sorted(path.name for path in (config.run.run_dir / "names").iterdir())


def figures(config: NamesConfig) -> object:
    """The test figures of the run that every command finds under the name."""
    where = config.run.run_dir
    path = where / "names" / "a"
    found = [latest_usable(where, "names", "a"), latest_usable(where, "names", None)]
    assert {run.path for run in [*found, open_run(path), *all_runs(where)]} == {found[0].path}
    assert (found[0].name, found[0].status) == ("a", "finished")
    return found[0].results()["test"]


def test_a_finished_run_takes_the_place_of_the_earlier_one(config):
    train(config, test=OLD)
    (config.run.run_dir / "names" / "a" / "mine.txt").write_text("goes with the old run")
    train(config, test=NEW)
    assert figures(config) == NEW
    assert folders(config) == ["a"]
    assert not (config.run.run_dir / "names" / "a" / "mine.txt").exists()


@pytest.mark.parametrize("error", [UserError("no such size"), KeyboardInterrupt(), MemoryError()])
def test_a_run_stays_as_it_was_until_the_new_one_is_finished(config, error):
    train(config, test=OLD)
    with pytest.raises(type(error)):
        train(config, error=error)
    assert figures(config) == OLD
    train(config, test=NEW)
    assert figures(config) == NEW
    assert folders(config) == ["a"]


def test_an_interrupted_replacement_is_listed_and_resumed(config, capsys):
    train(config, test=OLD)
    killed(config)
    assert figures(config) == OLD
    run_tables.command(["--run-dir", str(config.run.run_dir)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "names/a" in line]
    assert [line.split()[:3][-2:] for line in lines][1] == ["(replacement)", "interrupted"]
    assert lines[0].split()[:2] == ["names/a", "finished"]
    for name in ("a", None):
        resumed = run_to_resume(config.run.run_dir, "names", name)
        assert (resumed.name, resumed.status) == ("a", "interrupted")
    plain = replace(config, overwrite=False)
    with pytest.raises(UserError, match=r"exists \(finished\): --resume to continue it"):
        train(plain)
    train(plain, resumed, test=NEW)
    assert figures(config) == NEW
    assert folders(config) == ["a"]


def test_a_second_overwrite_begins_anew(config):
    train(config, test=OLD)
    killed(config)
    (config.run.run_dir / "names" / ".new-a" / "history.csv").write_text("epoch\n")
    killed(config)
    replacement = run_to_resume(config.run.run_dir, "names", "a")
    assert not replacement.history_file.exists()
    assert figures(config) == OLD


def test_a_kill_at_any_moment_of_the_replacement_loses_no_run(config, monkeypatch):
    train(config, test=OLD)
    runs, saved = config.run.run_dir, config.run.run_dir.with_name("saved")
    shutil.copytree(runs, saved)
    rename, remove = Path.rename, shutil.rmtree
    for count in range(1, 20):
        left = iter(range(1, count))

        def before(left=left):
            if next(left, None) is None:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", lambda *paths: (before(), rename(*paths)))
            patch.setattr(shutil, "rmtree", lambda *args, **kw: (before(), remove(*args, **kw)))
            try:
                train(config, test=NEW)
            except Killed:
                assert figures(config) == NEW
            else:
                break
        with pytest.raises(UserError, match=r"exists \(finished\): --overwrite"):
            train(replace(config, overwrite=False))
        train(config, test=NEW | {"loss": 1.0})
        assert figures(config) == NEW | {"loss": 1.0}
        assert folders(config) == ["a"]
        remove(runs)
        shutil.copytree(saved, runs)
    assert count == 5  # a deletion, two renames and a deletion: each was left out once


def test_what_an_earlier_version_left_when_it_was_killed_is_found(config):
    """It moved the finished run away before the new one began to train."""
    train(config, test=OLD)
    folder = config.run.run_dir / "names"
    (folder / "a").rename(folder / ".replaced-a")
    assert figures(config) == OLD
    shutil.copytree(folder / ".replaced-a", folder / "a")
    RunFolder(folder / "a").update(status="running", test={})
    assert figures(config) == OLD
    with pytest.raises(UserError, match=r"exists \(finished\)"):
        train(replace(config, overwrite=False))
    train(config, test=NEW)
    assert figures(config) == NEW
    assert folders(config) == ["a"]


def test_a_run_that_is_resumed_stays_as_it_was_until_its_training_begins(config):
    train(config, test=OLD)
    run = run_at(config.run.run_dir / "names" / "a")
    before = contents(run)
    longer = replace(config, epochs=config.optimisation.epochs + 1, overwrite=False)
    with (
        pytest.raises(UserError, match="have changed"),
        lifecycle.training_in(run, "names", longer, {}),
    ):
        raise UserError("the data have changed")
    assert contents(run) == before


def test_the_trainings_of_a_run_and_of_its_replacement_exclude_each_other(config):
    train(config, test=OLD)
    run = lifecycle.folder_to_train_in("names", config)
    with lifecycle.training_in(run, "names", config, {}):
        for flags in ({}, {"overwrite": False}):
            with pytest.raises(UserError, match="is in use by process"):
                lifecycle.folder_to_train_in("names", replace(config, **flags))
        with pytest.raises(UserError, match="is in use by process"):
            run_to_resume(config.run.run_dir, "names", "a")
        assert figures(config) == OLD
