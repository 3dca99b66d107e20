"""Event files read back, and event files of another make."""

from collections import defaultdict
from pathlib import Path

import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto


def read(folder: Path):
    """→ ({step: {tag: array}}, {tag: metadata}) of all event files of one folder."""
    values, metadata = defaultdict(dict), {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                assert value.tag not in values[event.step], "one value for a tag and step"
                values[event.step][value.tag] = make_ndarray(value.tensor)
                if value.HasField("metadata"):
                    metadata.setdefault(value.tag, value.metadata)
    return dict(values), metadata


def blocks(values, tag):
    """The values of one tag in the order of their steps."""
    return [at[tag] for _, at in sorted(values.items()) if tag in at]


def write(folder: Path, plugin: str, **records):
    """Write an event file with records by tag, each (content of its metadata, array)."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summary_pb2.Summary()
    for tag, (content, array) in records.items():
        about = {"plugin_name": plugin, "content": content}
        metadata = summary_pb2.SummaryMetadata(plugin_data=about, data_class=2)
        summary.value.add(tag=tag, tensor=make_tensor_proto(array), metadata=metadata)
    events = [event_pb2.Event(file_version="brain.Event:2"), event_pb2.Event(summary=summary)]
    with tf.io.TFRecordWriter(str(folder / "events.out.tfevents.1")) as file:
        for event in events:
            file.write(event.SerializeToString())


def events(file: Path):
    """→ the events of a file."""
    return [*EventFileLoader(str(file)).Load()]


def append(file: Path, events, later: float = 0.0):
    """Append events to a file, as if they had been written some seconds later."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name("part")
    with tf.io.TFRecordWriter(str(part)) as writer:
        for event in events:
            moved = event_pb2.Event.FromString(event.SerializeToString())
            moved.wall_time += later
            writer.write(moved.SerializeToString())
    with file.open("ab") as whole:
        whole.write(part.read_bytes())
    part.unlink()
