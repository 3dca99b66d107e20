"""Keras must run on TensorFlow; importing this module raises an ImportError if it does not."""

import json
import os
import sys
from pathlib import Path


def require_tensorflow() -> None:
    """Raise an ImportError that says where another backend was selected, and what to do.

    Keras takes its backend from the environment variable KERAS_BACKEND or else from keras.json, in
    the folder KERAS_HOME or ~/.keras, when it is imported.
    """
    loaded = getattr(sys.modules.get("keras"), "config", None)
    selected, place = _selected()
    backend = selected if loaded is None else loaded.backend()
    if backend == "tensorflow":
        return
    where = f" ({place})" if backend == selected else ""
    when = "before Keras is imported" if loaded is None else "and restart Python"
    raise ImportError(
        f"errorflow needs Keras on TensorFlow, but the backend of Keras is {backend}{where}:"
        f" set KERAS_BACKEND=tensorflow {when}"
    )


def _selected() -> tuple[str, str]:
    """Return the backend that Keras takes, and where it is selected."""
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend, f"environment variable KERAS_BACKEND={backend}"
    file = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    try:
        return json.loads(file.read_text())["backend"], str(file)
    except (OSError, ValueError, KeyError, TypeError):  # Keras ignores such a file, too
        return "tensorflow", "the default"


require_tensorflow()
