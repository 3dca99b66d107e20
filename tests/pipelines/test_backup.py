"""The backup of a training: what is damaged or gone is restored, or refused; nothing is lost."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from errorflow.pipelines.core.backup import Backup
from errorflow.pipelines.core.config import Optimisation
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.run_folder import RunFolder, read_history
from errorflow.pipelines.training.checkpoint import RunCheckpoint
from errorflow.pipelines.training.spec import TrainingSpec

LOSSES = [0.9, 0.1, 0.5, 0.4]
DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:-99] + bytes([content[-99] ^ 4]) + content[-98:],
    "zeros": lambda content: bytes(len(content)),
    "gone": None,
}


class Training:
    """A model whose only weight is the number of the epoch, and its checkpoint."""

    def __init__(self, run: RunFolder):
        self.model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
        self.model.compile("sgd", "mse")
        self.model.optimizer.build(self.model.trainable_variables)
        self.model.stop_training = False
        names = {"loss": "mse", "metrics": None, "monitor": "loss", "mode": "min"}
        data = type("Data", (), {"epoch": 0})()
        spec = TrainingSpec(
            network=self.model,
            serving_model=self.model,
            train_data=data,
            validation_data=None,
            **names,
        )
        self.checkpoint = RunCheckpoint(run, Optimisation(epochs=9), spec)
        self.checkpoint.set_model(self.model)
        self.done = self.checkpoint.restore(self.model)

    def epochs(self, losses: list[float]) -> None:
        for loss in losses:
            self.model.set_weights([np.full([1, 1], self.done + 1.0)])
            self.checkpoint.on_epoch_begin(self.done)
            self.checkpoint.on_epoch_end(self.done, {"loss": loss})
            self.done += 1

    @property
    def state(self) -> tuple[object, ...]:
        """Everything that a resumed training continues with."""
        callback = self.checkpoint
        weight = float(self.model.get_weights()[0].item())
        losses = [row["loss"] for row in callback.history]
        return self.done, weight, callback.best, callback.best_epoch, callback.epochs_waited, losses


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """Four epochs, of which the second is the best."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "t" / "a")
    run.backup.mkdir(parents=True)
    Training(run).epochs(LOSSES)
    return run


@pytest.fixture
def run(trained, tmp_path) -> RunFolder:
    shutil.copytree(trained.path, tmp_path / "a")
    return RunFolder(tmp_path / "a")


def damage(path: Path, kind: str) -> None:
    change = DAMAGE[kind]
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))


def contents(run: RunFolder) -> dict[str, bytes]:
    paths = [path for path in sorted(run.path.rglob("*")) if path.is_file()]
    return {str(path.relative_to(run.path)): path.read_bytes() for path in paths}


def weight_in(model: Path) -> float:
    return float(keras.saving.load_model(model, compile=False).get_weights()[0].item())


def test_two_generations_are_kept_and_the_newest_is_continued(run, capsys):
    names = {path.name for path in run.backup.iterdir()}
    epochs = {f"epoch-000{n}.{suffix}" for n in (3, 4) for suffix in ("json", "weights.h5")}
    assert names == {"state.json", *epochs}
    assert Training(run).state == (4, 4.0, -0.1, 2, 2, LOSSES)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("suffix", ["json", "weights.h5"])
def test_the_older_generation_is_continued_if_the_newest_is_damaged(run, kind, suffix, capsys):
    before = contents(run)
    damage(run.backup / f"epoch-0004.{suffix}", kind)
    again = Training(run)
    assert again.state == (3, 3.0, -0.1, 2, 1, LOSSES[:3])
    assert f"epoch-0004.{suffix} is " in capsys.readouterr().err
    again.epochs(LOSSES[3:])
    assert Training(run).state == (4, 4.0, -0.1, 2, 2, LOSSES)
    assert contents(run)["checkpoints/best.keras"] == before["checkpoints/best.keras"]


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize(
    "name", ["checkpoints/backup/state.json", "checkpoints/last.keras", "history.csv"]
)
def test_what_the_newest_generation_holds_is_restored_from_it(run, name, kind, capsys):
    before = contents(run)
    damage(run.path / name, kind)
    assert Training(run).state == (4, 4.0, -0.1, 2, 2, LOSSES)
    assert "backup" in capsys.readouterr().err
    assert contents(run)["history.csv"] == before["history.csv"]
    assert weight_in(run.last) == 4.0


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_best_model_is_made_again_if_the_backup_has_its_epoch(run, kind, capsys):
    Training(run).epochs([0.01])
    damage(run.best, kind)
    assert Training(run).state[2:5] == (-0.01, 5, 0)
    assert "best.keras was damaged or missing: written again" in capsys.readouterr().err
    assert weight_in(run.best) == 5.0


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_best_model_of_an_older_epoch_is_refused(run, kind):
    damage(run.best, kind)
    before = contents(run)
    with pytest.raises(UserError, match=r"best\.keras \(epoch 2\) is .*copy it to best\.keras"):
        Training(run)
    assert contents(run) == before
    shutil.copyfile(run.last, run.best)
    again = Training(run)
    assert again.state[2:5] == (-0.4, 4, 0)
    again.epochs([0.45])
    assert weight_in(run.best) == 4.0


@pytest.mark.parametrize("pattern", ["*", "*.json", "*.h5", "state.json *.h5"])
def test_a_training_without_a_whole_generation_is_refused(run, pattern):
    for path in [path for part in pattern.split() for path in run.backup.glob(part)]:
        path.unlink()
    before = contents(run)
    with pytest.raises(UserError, match=r"best\.keras and last\.keras in it can still be used"):
        Training(run)
    assert contents(run) == before


def test_a_kill_at_any_moment_of_writing_costs_one_epoch_at_most(trained, tmp_path, monkeypatch):
    """Each file takes its place by a rename; the process is killed before each of them."""
    rename, written = Path.replace, contents(trained)

    class Killed(BaseException):
        pass

    for count in range(1, 20):
        folder = RunFolder(tmp_path / str(count))
        shutil.copytree(trained.path, folder.path)
        again, left = Training(folder), iter(range(1, count))

        def dying_rename(path, target, left=left):
            if next(left, None) is None:
                raise Killed
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", dying_rename)
            try:
                again.epochs([0.05])
            except Killed:
                pass
            else:
                break
        resumed = Training(folder)
        is_new = resumed.done == 5
        assert resumed.state == (
            (5, 5.0, -0.05, 5, 0, [*LOSSES, 0.05]) if is_new else (4, 4.0, -0.1, 2, 2, LOSSES)
        )
        assert (weight_in(folder.best), len(read_history(folder))) == ((2, 4), (5, 5))[is_new]
        assert is_new or contents(folder)["history.csv"] == written["history.csv"]
    assert count == 8  # the seven renames of an epoch: none was left out


def test_a_backup_of_an_earlier_version_needs_its_history(run):
    shutil.copyfile(run.backup / "epoch-0004.json", run.backup / "state.json")
    for path in run.backup.glob("*.json"):
        if path.name != "state.json":
            path.unlink()
    text = (run.backup / "state.json").read_text(encoding="utf-8")
    old = text.replace('"history"', '"-"').replace('"sha256"', '"--"')
    (run.backup / "state.json").write_text(old, encoding="utf-8")
    restart = Backup(run).restart()
    assert restart is not None
    assert (restart.generation.epochs, restart.faults) == (4, [])
    run.history_file.unlink()
    with pytest.raises(UserError, match=r"history\.csv has fewer than 4 epochs"):
        Backup(run).restart()
