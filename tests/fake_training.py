"""The files of a run after an epoch, without a network."""

import zipfile

from errorflow.pipelines.core.backup import Backup
from errorflow.pipelines.core.files import write_rows
from errorflow.pipelines.core.run_folder import RunFolder


def complete_epoch(run: RunFolder) -> None:
    """Write what a training writes after its first epoch; the models are empty archives."""
    backup = Backup(run)
    backup.weights(1).write_bytes(b"weights")
    write_rows(backup.pending(run.history_file), [{"epoch": 1, "loss": 1.0}])
    for model in (run.best, run.last):
        zipfile.ZipFile(backup.pending(model), "w").close()
    backup.commit(1, {"random": [], "best": -1.0, "best_epoch": 1, "waited": 0})
