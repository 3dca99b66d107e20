"""The settings that a run was trained with: its config.yaml, which nothing but a resume may change.

results.json holds the checksum of config.yaml, and that of the one before the latest resume, so
that a file that was edited, cut or emptied is not taken for the settings of the run.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from .config import TrainingConfig
from .config_files import config_dict, dump_config, load_config, load_yaml
from .errors import UserError
from .files import read_text, write_text
from .run_folder import RunFolder

C = TypeVar("C", bound=TrainingConfig)
KEY = "config_sha256"  # in results.json; runs of earlier versions do not have it


def run_config(cls: type[C], run: RunFolder) -> C:
    """Return the settings of a run.

    Raises:
        UserError: config.yaml cannot be read, or is not what errorflow has written.
    """
    stored_settings(run)
    return load_config(cls, run.config_file)


def stored_settings(run: RunFolder) -> dict[str, Any]:
    """Return the content of a run's config.yaml.

    Raises:
        UserError: it cannot be read, or is not what errorflow has written.
    """
    settings = load_yaml(run.config_file)
    if not settings:
        raise UserError(f"{run.config_file} is empty: {undo(run)}")
    known = run.results().get(KEY)
    if known and _checksum(read_text(run.config_file)) not in known:
        raise UserError(
            f"{run.config_file} was changed or damaged since the run was trained: {undo(run)}; to"
            " train longer, give --epochs with --resume; for other settings, train a new run"
        )
    return settings


def other_settings(
    stored: TrainingConfig, config: TrainingConfig, ignored: Collection[str]
) -> list[str]:
    """Return the settings in which two configs differ: "units (64 → 128)".

    A default and the value that it stands for are the same setting.

    Args:
        ignored: the names of settings that may differ.
    """
    old, new = config_dict(stored.resolved()), config_dict(config.resolved())
    changed = [key for key in new if new[key] != old[key] and key not in ignored]
    return [f"{key} ({old[key]} → {new[key]})" for key in changed]


def undo(run: RunFolder) -> str:
    """Return what to do about a damaged config.yaml."""
    copy = _copy(run)
    return f"copy {copy} to {run.config_file}" if copy.is_file() else "undo the change"


def write_config(run: RunFolder, config: TrainingConfig) -> None:
    """Write config.yaml, a copy of it, and its checksum.

    The checksum comes first: if the process is killed before it writes config.yaml, that is the
    file of before, whose checksum is still known.
    """
    text = dump_config(config)
    known = run.results().get(KEY, [])
    run.update(**{KEY: list(dict.fromkeys([_checksum(text), *known]))[:2]})
    write_text(_copy(run), text)
    write_text(run.config_file, text)


def _copy(run: RunFolder) -> Path:
    return run.backup / run.config_file.name


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
