"""Checks of model files before Keras loads them: a file of somebody else must not run any code.

Keras' safe mode refuses what it knows to be dangerous. These checks, which no setting turns off,
accept nothing but what errorflow's own networks consist of. Nothing here imports TensorFlow or
Keras.
"""

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import UserError, brief
from ..datasets.listing import printable

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = {"metadata.json", CONFIG, WEIGHTS}
_MODULES = {
    "keras",
    "keras.activations",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.models",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.regularizers",
}
_OPERATIONS = ("keras.src.models.", "keras.src.ops.")  # networks, and what stands between layers
_FOREIGN_CODE = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}
_VALUES = {"__ellipsis__", "__keras_tensor__", "__slice__"}
_FUNCTION_MODULES = {None, "builtins"}  # of Keras' functions and of registered ones


def check_keras_file(path: Path) -> dict[str, Any]:
    """Check that a .keras file can be loaded without running code of its own.

    Returns:
        The configuration of the model.

    Raises:
        UserError: it is no such file, is damaged, or holds what errorflow's models do not: other
            or compressed members, layers of Python code, classes and functions from elsewhere, or
            weights in other files.
    """
    try:
        with _opened(path) as archive:
            _check_members(archive, path)
            config = json.loads(archive.read(CONFIG))
            with archive.open(WEIGHTS) as weights:
                _check_weights(weights, path)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, RecursionError):
        raise UserError(f"{printable(path)} is not a .keras file, or damaged") from None
    if not isinstance(config, dict):
        raise UserError(f"{printable(path)} is not a .keras file, or damaged")
    if unknown := next(_unknown_parts(config), None):
        raise _refused(path, f"{unknown}, which is not part of errorflow's networks")
    return config


def check_weights_file(path: Path) -> None:
    """Check that a .weights.h5 file holds its weights itself, as many as it says.

    Raises:
        UserError: it is damaged, or its weights are in other files, compressed or left out.
    """
    try:
        _check_is_file(path)
        with path.open("rb") as file:
            _check_weights(file, path)
    except (OSError, ValueError):
        raise UserError(f"{printable(path)} is not a file of weights, or damaged") from None


def _refused(path: Path, found: str) -> UserError:
    return UserError(
        f"{printable(path)} was not loaded: it holds {found}; models from others can run code"
    )


def _check_is_file(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe could wait forever
        raise UserError(f"{printable(path)} is not a file")


def _opened(path: Path) -> zipfile.ZipFile:
    _check_is_file(path)
    return zipfile.ZipFile(path)


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise `UserError` unless an archive holds the three files of a model, as Keras writes them.

    Nothing is compressed, so that no member is longer than the archive.
    """
    members = archive.infolist()
    for member in members:
        if member.filename not in _MEMBERS:
            raise _refused(path, f"a file named {brief(printable(member.filename))}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused(path, f"a link, {member.filename}")
        is_plain = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
        if not is_plain or member.file_size != member.compress_size:
            raise _refused(path, f"a compressed {member.filename}, which Keras does not write")
    if len(members) != len(_MEMBERS) or len({m.filename for m in members}) != len(_MEMBERS):
        raise zipfile.BadZipFile


def objects_in(config: Any) -> Iterator[dict[str, Any]]:
    """Yield each mapping in a configuration, an outer one before those in it."""
    waiting = [config]
    while waiting:  # not recursive, as a file may nest without end
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            part = [*part.values()]
        if isinstance(part, list):
            waiting += reversed(part)


def _unknown_parts(config: dict[str, Any]) -> Iterator[str]:
    """Yield each class and function in a configuration that errorflow's networks do not have."""
    for part in objects_in(config):
        if "class_name" in part and not _is_known(part):
            name = part["class_name"]
            name = part.get("config") if name == "function" else name
            names = [str(name) for name in (part.get("module"), name) if name]
            yield brief(printable(".".join(names)))
        if isinstance(part.get("vocabulary"), str):
            yield f"a vocabulary in another file, {brief(printable(part['vocabulary']))}"


def _is_known(part: dict[str, Any]) -> bool:
    """Whether a serialized object is one of Keras or of errorflow, and not a layer of any code."""
    name, module = part["class_name"], part.get("module")
    registered = part.get("registered_name")
    if not isinstance(name, str) or name in _FOREIGN_CODE:
        return False
    if name == "function":
        return module in _FUNCTION_MODULES and isinstance(part.get("config"), str)
    if name in _VALUES:
        return True
    if str(registered).startswith("errorflow>"):
        return str(module).startswith("errorflow.")
    is_own_name = registered is None or registered == name
    return is_own_name and (module in _MODULES or str(module).startswith(_OPERATIONS))


def _check_weights(file: Any, path: Path) -> None:
    """Raise `UserError` if weights are elsewhere than in the file itself.

    Keras does not compress weights. A dataset of which less is stored than its shape says would
    take any amount of memory.
    """
    import h5py

    def foreign_link(name: str, link: Any) -> str | None:
        is_own = isinstance(link, h5py.HardLink)
        return None if is_own else f"weights that are linked from elsewhere ({brief(name)})"

    def foreign_values(name: str, values: Any) -> str | None:
        if not isinstance(values, h5py.Dataset):
            return None
        if values.is_virtual or values.external:
            return f"weights that are in other files ({brief(name)})"
        is_stored = values.nbytes <= values.id.get_storage_size() and not values.dtype.hasobject
        return None if is_stored else f"weights that are not stored as numbers ({brief(name)})"

    try:
        with h5py.File(file, "r") as weights:  # a fault ends the visit, an exception would crash it
            fault = weights.visititems_links(foreign_link) or weights.visititems(foreign_values)
    except (KeyError, RuntimeError, TypeError) as error:  # of damaged files
        raise ValueError from error
    if fault:
        raise _refused(path, fault)
