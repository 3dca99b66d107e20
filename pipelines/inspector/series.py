"""Find the callbacks' records in TensorBoard's runs. Importing this module imports no TensorFlow.

A series is the record of one callback under one name: the rows of one recurrent layer, or those of
the gradients of all layers. `callbacks/recording/blocks.py` describes their format.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...callbacks.recording.blocks import PLUGIN
from ...callbacks.recording.rows import Rows
from ...callbacks.recording.tables import layer_path, tables, with_truncation
from ..core import json_forms as form

EVENT_FILES = "events.out.tfevents.*"
OF_HEAD = 12  # bytes of an event file before each event
KINDS = (
    "error_flow",
    "error_probe",
    "layer_gradients",
    "depth_flow",
    "error_matrix",
    "horizon",
    "lyapunov",
    "gates",
)
OF_LAYERS, OF_PATHS = "layers", "paths"  # the names of the series of "depth_flow"

Key = tuple[str, str, str]  # run, kind and name
Part = tuple[str, dict, int, float]  # of a series: tag, metadata, last step and its time


class Series(NamedTuple):
    """The record of one callback under one name.

    Attributes:
        run: TensorBoard's name of the run: the folder of the event file.
        kind, name: see `recording.blocks`.
        statistics: the names of the tables in its rows.
        layers: names of the columns, of "layer_gradients" and "depth_flow" only.
        tags: the tags of its blocks, in order.
        latest: the training step of the last block.
        written: the time when the last block was written, in seconds.
        about: further metadata of its rows, depending on the kind; see `recording.blocks`.
        joined: the two layers that it shows on one time axis; None if it is a layer of its own.
        probe: of "error_flow" only, the series of the errors of single predictions, if any.
    """

    run: str
    kind: str
    name: str
    statistics: list[str]
    layers: list[str]
    tags: list[str]
    latest: int
    written: float
    about: Mapping[str, Any]
    joined: tuple[str, str] | None = None
    probe: "Series | None" = None

    @property
    def key(self) -> Key:
        return self.run, self.kind, self.name

    @property
    def backwards(self) -> bool | None:
        """Whether the (first) layer reads its input backwards; None: the files do not say it."""
        layer = self.joined[0] if self.joined else self.name
        known = self.about.get("backwards")
        return None if known is None else layer_path(layer) in known

    def tables(self, rows: Rows, part: int = 0) -> dict[str, np.ndarray]:
        """Return rows of the layer, or of the first or second of two joined ones, as tables."""
        layer = self.joined[part] if self.joined else self.name
        return with_truncation(tables(rows), self.about.get("truncate", {}).get(layer_path(layer)))


class Damaged(NamedTuple):
    """A record that cannot be shown.

    Attributes:
        run: TensorBoard's name of the run.
        record: the tag of the record, or the name of an event file.
        reason: why it cannot be shown.
    """

    run: str
    record: str
    reason: str


def find_series(provider: Any, context: Any, experiment: str) -> list[Series]:
    """Return all series of all runs, sorted by their names, 2 before 10.

    Args:
        provider: TensorBoard's data provider.
        context: TensorBoard's request context.
        experiment: TensorBoard's name of the experiment.
    """
    parts: dict[Key, list[Part]] = {}
    for run, tag, about in _records(provider, context, experiment):
        content = _content_of(about)
        if isinstance(content, dict):
            key = (run, content["kind"], content["name"])
            part = (tag, content, about.max_step, about.max_wall_time)
            parts.setdefault(key, []).append(part)
    layers = {key: _series(key, of_key) for key, of_key in parts.items()}
    layers = {key: s for key, s in _with_probes(layers).items() if s.kind != "error_probe"}
    joined = [s for key, of_key in parts.items() for s in _joined(key, of_key[0][1], layers)]
    every_series = {series.key: series for series in [*layers.values(), *joined]}
    return sorted(every_series.values(), key=lambda series: _order(*series.key))


def find_damaged(provider: Any, context: Any, experiment: str) -> list[Damaged]:
    """Return the records that `find_series` leaves out, because their description is damaged."""
    found = [(run, tag, _content_of(a)) for run, tag, a in _records(provider, context, experiment)]
    return sorted(Damaged(run, tag, what) for run, tag, what in found if isinstance(what, str))


def find_foreign_files(logs: Path) -> list[Damaged]:
    """Return the event files in a folder that TensorBoard cannot read, because they are none."""
    files = sorted(file for file in logs.rglob(EVENT_FILES) if not _is_event_file(file))
    reason = "it is no event file"
    return [Damaged(f.parent.relative_to(logs).as_posix(), f.name, reason) for f in files]


def _is_event_file(file: Path) -> bool:
    """Whether a file begins with an event: its length and a checksum of that; or is empty yet."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    try:
        if not file.is_file():
            return False
        with file.open("rb") as content:
            head = content.read(OF_HEAD)
    except OSError:
        return False
    length, checksum = head[:8], int.from_bytes(head[8:], "little")
    return not head or (len(head) == OF_HEAD and masked_crc32c(length) == checksum)


def _records(provider: Any, context: Any, experiment: str) -> Iterator[tuple[str, str, Any]]:
    """Yield run, tag and description of each record of the callbacks."""
    runs = provider.list_tensors(context, experiment_id=experiment, plugin_name=PLUGIN)
    for run, tags in runs.items():
        yield from ((run, tag, about) for tag, about in tags.items())


def _content_of(about: Any) -> dict[str, Any] | str:
    """Return the description of a record; if it is damaged, what is wrong with it."""
    try:
        content = json.loads(about.plugin_content)
    except (ValueError, RecursionError):
        return "its description is not JSON"
    if not isinstance(content, dict):
        return "its description is not a JSON object"
    return form.problem_of(content, _FORMS, ("kind", "name", "statistics")) or content


_NAMES = ("a list of names", form.list_of(form.is_text))

_FORMS: form.Forms = {
    "kind": (f"one of {', '.join(KINDS)}", lambda kind: kind in KINDS),
    "name": ("text", form.is_text),
    "statistics": ("a list of names", lambda names: _NAMES[1](names) and len(names) > 0),
    "layers": _NAMES,
    "paths": _NAMES,
    "adds_to": _NAMES,
    "outputs": _NAMES,
    "backwards": _NAMES,
    "truncate": ("numbers of time steps by layer", form.mapping_of(form.is_count)),
    "joined": (
        "pairs of layers by name",
        form.mapping_of(lambda pair: form.list_of(form.is_text)(pair) and len(pair) == 2),
    ),
    "clip_norm": ("a number or null", form.or_null(form.is_number)),
    "every": ("a number or null", form.or_null(form.is_number)),
    "steps_per_epoch": ("a number or null", form.or_null(form.is_finite)),
    "relu": ("true, false or null", form.or_null(form.is_flag)),
}


def _order(run: str, kind: str, name: str) -> Any:
    """Return what sorts series: the run that `log_dir` itself holds is before `log_dir`/2."""
    run, _, folder = run.rpartition("/")
    numbered = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", run)]
    return numbered, folder, kind, name


def _series(key: Key, parts: list[Part]) -> Series:
    parts = sorted(parts, key=lambda part: (len(part[0]), part[0]))  # …/rows/lstm, …/2, …, …/10
    _, content, *_ = parts[0]
    return Series(
        *key,
        statistics=list(content["statistics"]),
        layers=list(content.get(OF_PATHS if key[1:] == ("depth_flow", OF_PATHS) else "layers", [])),
        tags=[tag for tag, *_ in parts],
        latest=max(step for _, _, step, _ in parts),
        written=max(time for *_, time in parts),
        about=content,
    )


def _with_probes(layers: Mapping[Key, Series]) -> Mapping[Key, Series]:
    return {
        key: series._replace(probe=layers.get((series.run, "error_probe", series.name)))
        if series.kind == "error_flow"
        else series
        for key, series in layers.items()
    }


def _joined(key: Key, content: Mapping[str, Any], layers: Mapping[Key, Series]) -> Iterator[Series]:
    """Yield the pairs of layers that share a time axis; see `joined` of `ErrorFlow`."""
    run, kind, _ = key
    for name, paths in content.get("joined", {}).items():
        first, second = (layers.get((run, kind, path)) for path in paths)
        if first is not None and second is not None:
            common = [name for name in first.statistics if name in second.statistics]
            latest = min(first.latest, second.latest)
            written = max(first.written, second.written)
            pair = (first.name, second.name)
            yield Series(run, kind, name, common, [], [], latest, written, content, pair)


def parts_of(series: Series, every_series: Sequence[Series]) -> list[Series]:
    """Return the series that hold the rows of a series.

    These are itself and its probe, the two joined, or the error of layers and that by path.
    """
    by_name = {other.name: other for other in every_series if other[:2] == series[:2]}
    if series.joined:
        return [by_name[name] for name in series.joined]
    of_paths = by_name.get(OF_PATHS) if series[1:3] == ("depth_flow", OF_LAYERS) else None
    return [part for part in (series, series.probe, of_paths) if part is not None]
