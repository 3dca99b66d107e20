"""Several workers train one network: the chief alone writes and prints.

All workers run the same program with the same callbacks, since any of these may exchange something
with the other workers. The chief writes the run folder and prints. Any other worker writes to a
temporary folder, and is silent but for its errors. No file system is shared: what a worker needs
to resume a run, it gets from the chief.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..core.cluster import Cluster
from ..core.config import TrainingConfig, replace
from ..core.config_files import config_dict, with_settings
from ..core.console import muted
from ..core.errors import UserError
from ..core.run_folder import RunFolder

# These may differ: files may lie elsewhere, and only the chief logs.
OWN_SETTINGS = frozenset({"device", "data_dir", "log"})
CHUNK = 16 * 2**20  # bytes of a file that are sent at once
C = TypeVar("C", bound=TrainingConfig)


@contextlib.contextmanager
def writing_elsewhere(cluster: Cluster, config: C) -> Iterator[C]:
    """Yield the settings with which a worker trains; all but the chief print and keep nothing.

    Raises:
        UserError: as in the block, with the number of the worker.
    """
    if cluster.is_chief:
        yield config
        return
    name = f"worker-{cluster.index}"
    with tempfile.TemporaryDirectory(prefix=f"errorflow-{name}-") as folder, muted():
        try:
            yield replace(config, run_dir=Path(folder), name=name, overwrite=False)
        except UserError as error:
            error.args = (f"{name.replace('-', ' ')}: {error}",)
            raise


def agree_on_settings(strategy: Any, cluster: Cluster, config: C, resume: RunFolder | None) -> C:
    """Return the settings of the training, after a comparison of those of all workers.

    To resume a run, all take those of the chief, which has the run.

    Raises:
        UserError: the settings differ.
    """
    is_resumed = config.run.resume or resume is not None
    everyone = _exchange_json(strategy, {"resume": is_resumed, "settings": config_dict(config)})
    chief = everyone[0]
    for number, worker in enumerate(everyone):
        if worker["resume"] != chief["resume"]:
            resuming, new = (number, 0) if worker["resume"] else (0, number)
            raise UserError(
                f"worker {resuming} was started with --resume, but worker {new} without it"
            )
        if not chief["resume"]:
            _check_same(number, worker["settings"], chief["settings"])
    if cluster.is_chief or not is_resumed:
        return config
    return with_settings(
        config, chief["settings"] | {"device": config.hardware.device}, "the chief"
    )


def _check_same(number: int, settings: dict[str, Any], of_chief: dict[str, Any]) -> None:
    """Raise `UserError` if a worker has other settings than the chief."""
    names = {*settings, *of_chief} - OWN_SETTINGS
    differing = [
        f"{name} ({of_chief.get(name)} on worker 0, {settings.get(name)} on worker {number})"
        for name in sorted(names)
        if settings.get(name) != of_chief.get(name)
    ]
    if differing:
        raise UserError(f"the workers were started with different {', '.join(differing)}")


def check_same_data(strategy: Any, data: Any) -> None:
    """Raise `UserError` if the workers have read different data."""
    hashes = _exchange_json(strategy, data.content_hash)
    other = next((n for n, content_hash in enumerate(hashes) if content_hash != hashes[0]), None)
    if other is not None:
        raise UserError(
            f"worker {other} has read other data than worker 0: all workers need the same files"
            f" ({data.source} here)"
        )


def copy_of_run(
    strategy: Any, cluster: Cluster, config: TrainingConfig, task: str, resume: RunFolder | None
) -> RunFolder | None:
    """Return the run to resume; a worker that is not the chief gets a copy from it."""
    folder = config.run.run_dir / task / str(config.run.name) if resume is None else resume.path
    paths = _needed(resume) if cluster.is_chief and resume is not None else []
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in paths}
    sizes = _exchange_json(strategy, sizes)[0]
    for name, size in sizes.items():
        _copy(strategy, cluster, folder / name, size)
    return RunFolder(folder) if sizes else resume


def _needed(run: RunFolder) -> list[Path]:
    """Return the files of a run that its resumption reads."""
    files = [run.config_file, run.results_file, run.history_file, *run.best.parent.rglob("*")]
    return sorted(path for path in files if path.is_file())


def _copy(strategy: Any, cluster: Cluster, path: Path, size: int) -> None:
    """Send a file, if this is the chief, or else write what the chief sends."""
    from ...layers.workers import exchange

    if not cluster.is_chief:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb" if cluster.is_chief else "wb") as file:
        for _ in range(0, size, CHUNK):
            content = exchange(strategy, file.read(CHUNK) if cluster.is_chief else b"")[0]
            if not cluster.is_chief:
                file.write(content)


def wait_for_chief(strategy: Any, cluster: Cluster, run: RunFolder, run_dir: Path) -> RunFolder:
    """Return the chief's run, once the chief has evaluated and finished it.

    Args:
        run: the run of this worker.
        run_dir: the folder of all runs, as the person knows it.
    """
    name = _exchange_json(strategy, run.name)[0]
    with contextlib.suppress(Exception):  # the chief may leave as soon as all have its name
        _exchange_json(strategy, None)
    return run if cluster.is_chief else RunFolder(run_dir / run.task / name)


def _exchange_json(strategy: Any, content: Any) -> list[Any]:
    from ...layers.workers import exchange

    return [json.loads(part) for part in exchange(strategy, json.dumps(content).encode())]
