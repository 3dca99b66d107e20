"""Files that are divided into shards, as Hugging Face names them: train-00000-of-00003.parquet."""

import re
from pathlib import Path

from ..core.errors import UserError
from .listing import printable

_WHOLE = (".parquet", ".pq", ".jsonl", ".ndjson", ".json", ".gz")  # each shard names its columns
_SHARD = re.compile(r"-(\d{3,})-of-(\d{3,})(?=\.|$)")


def without_shard(name: str) -> str:
    """Return the name of a file without the number of its shard."""
    return _SHARD.sub("", name)


def is_later_shard(path: Path) -> bool:
    """Whether a file is a shard whose first one is beside it, and is read with that one."""
    first = _shard(path, 0) if path.suffix.lower() in _WHOLE else None
    return first is not None and first != path and first.is_file()


def shards_of(path: Path) -> list[Path]:
    """Return the files that belong to the first shard of a file, in order; else the file alone.

    Raises:
        UserError: a shard is missing.
    """
    match = _SHARD.search(path.name)
    if match is None or int(match[1]) or path.suffix.lower() not in _WHOLE:
        return [path]
    shards = [path, *(_shard(path, number) or path for number in range(1, int(match[2])))]
    for shard in shards:
        if not shard.is_file():
            raise UserError(f"{printable(path)}: {printable(shard.name)} is missing beside it")
    return shards


def _shard(path: Path, number: int) -> Path | None:
    """Return the path of another shard of the same file."""
    match = _SHARD.search(path.name)
    if match is None:
        return None
    digits = f"-{number:0{len(match[1])}d}-of-{match[2]}"
    return path.with_name(path.name[: match.start()] + digits + path.name[match.end() :])
