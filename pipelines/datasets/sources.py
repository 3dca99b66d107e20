"""The source of a task's data: a TFDS dataset or the user's own files."""

from pathlib import Path

from ..core.errors import UserError


def check_single_source(dataset: str | None, data_dir: str | Path | None) -> None:
    """Raise `UserError` if both sources are set."""
    if dataset is not None and data_dir is not None:
        raise UserError("--dataset and --data-dir: two sources; give one of them")
