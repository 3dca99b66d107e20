"""Event files read back."""

from collections import defaultdict
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray


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
