"""The value of `--weights`: which trained network a new one begins with.

imagenet, the folder of a run, or a .keras file of a run. Nothing here imports TensorFlow, so that a
wrong path or network is reported at once; `pretrained` loads the weights.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..core.config import Section, TrainingConfig, replace
from ..core.config_files import load_yaml
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..core.run_selection import open_run
from ..datasets.data_path import data_path
from . import imagenet_files
from .keras_file import check_keras_file, objects_in
from .zoo import MODELS

N = TypeVar("N", bound=Section)
C = TypeVar("C", bound=TrainingConfig)
LEARNING_RATE, FINE_TUNING_RATE = 2e-3, 5e-4  # of Adam, for an encoder and what reads its features
IMAGENET = "imagenet"
NO_MOTION = "--freeze: the trained convolutions know no motion; give --no-motion too"
IMAGENET_DEFAULT = "resnet50"  # where the default network has no such weights
# Values that an option must not have with --weights imagenet: the networks are the papers'.
_OTHER_NETWORKS = {
    "skip": {"resnet": "false"},
    "preactivation": {"resnet": "true"},
    "normalization": {"resnet": "none", "vgg": "batch"},
}


class Source(NamedTuple):
    """A trained network on images.

    Attributes:
        file: the .keras file.
        network: its name in `zoo.MODELS`; None: the file does not say.
        width: multiplier of its channels; None: unknown.
        motion: whether it takes the difference to the frame before as well; None: unknown.
    """

    file: Path
    network: str | None
    width: float | None
    motion: bool | None


def find_source(weights: str) -> Source:
    """Return the trained network that `--weights` names by a folder or file.

    Raises:
        UserError: there is none, or it is no network on images.
    """
    path = data_path(weights, "imagenet, the folder of a run or a .keras file", "--weights")
    if path.is_dir():
        run = open_run(path)
        return _source(weights, run.best, run)
    return _source(weights, path, _run_of(path))


def _run_of(file: Path) -> RunFolder | None:
    """Return the run that a file belongs to: in its checkpoints/, or the best one of a search."""
    folders = [file.parent.parent] if file.parent.name == "checkpoints" else []
    folders += [file.parent] if file.name == "best.keras" else []
    runs = [RunFolder(folder) for folder in folders]
    return next((run for run in runs if run.config_file.exists()), None)


def _source(weights: str, file: Path, run: RunFolder | None) -> Source:
    named = _network_in(weights, file)
    settings = {} if run is None else load_yaml(run.config_file)
    network = settings.get("cnn") or settings.get("model")
    if network not in MODELS:
        return Source(file, named, None, None)
    return Source(file, network, settings.get("width"), settings.get("motion", False))


def _network_in(weights: str, file: Path) -> str | None:
    """Return the network that the configuration in a .keras file names, if it does.

    Raises:
        UserError: it is not a .keras file that can be loaded, or not one of a network on images.
    """
    try:
        config = check_keras_file(file)
    except UserError as error:
        raise UserError(f"--weights {weights}: {error}") from None
    names = [*_names(config)]
    if "scale" not in names or not {"core", "search"} & {*names}:
        raise UserError(
            f"--weights {weights}: {file} does not hold a network on images that errorflow trained"
        )
    return next((name for name in names if name in MODELS), None)


def _names(config: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all models and layers in the configuration of a Keras model."""
    for part in objects_in(config):
        if isinstance(inner := part.get("config"), Mapping) and "name" in inner:
            yield str(inner["name"])


# Settings of a network section: `weights`, `freeze`, `width` and the network's name, by its key


def with_source(network: N, key: str) -> N:
    """Return a network section in which the weights' network and width replace the defaults.

    Args:
        network: the section.
        key: its setting that names a network of the zoo, "model" or "cnn".
    """
    settings: Any = network
    if settings.weights is None:
        return network
    defaults = {field.name: field.default for field in dataclasses.fields(network)}
    name = getattr(network, key)
    if settings.weights == IMAGENET:
        chosen = {key: name if name in imagenet_files.FILES else IMAGENET_DEFAULT, "width": 1.0}
    else:
        try:
            source = find_source(settings.weights)
        except UserError:  # a finished run needs them no more; for others, see `check_source`
            return network
        chosen = {key: source.network, "width": source.width}
    return dataclasses.replace(
        network,
        **{
            setting: value
            for setting, value in chosen.items()
            if value is not None and getattr(network, setting) == defaults[setting]
        },
    )


def with_encoder_weights(config: C) -> C:
    """Return the settings of a task with an encoder of images (`cnn`), with the defaults filled in.

    Trained weights are fine-tuned with a smaller learning rate.
    """
    network = with_source(config.network, "cnn")
    is_fine_tuned = network.weights is not None and not network.freeze
    settings: dict[str, Any] = {"cnn": network.cnn, "width": network.width}
    if config.optimisation.learning_rate is None:
        settings["learning_rate"] = FINE_TUNING_RATE if is_fine_tuned else LEARNING_RATE
    return replace(config, **settings)


def check_weights(network: Section, key: str) -> None:
    """Raise `UserError` if `weights` and other settings of a section contradict each other."""
    settings: Any = network
    if settings.weights is None:
        if settings.freeze:
            raise UserError("--freeze keeps trained weights as they are: give --weights too")
        return
    if settings.weights != IMAGENET:
        return
    name = getattr(network, key)
    if name not in imagenet_files.FILES:
        raise UserError(
            f"--weights imagenet: there are none for --{key} {name}; there are for"
            f" {', '.join(imagenet_files.FILES)}"
        )
    if settings.width != 1:
        raise UserError(f"--weights imagenet: they are for --width 1, got {settings.width}")
    for option, other in _OTHER_NETWORKS.items():
        value = getattr(network, option, None)
        if value is not None and value == other.get(MODELS[name].family):
            raise UserError(f"--weights imagenet: {name} has none with --{option} {value}")


def fixed_by_weights(network: Section, names: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a network section that `--weights` determines, by name."""
    settings: Any = network
    return {} if settings.weights is None else {name: getattr(network, name) for name in names}


def absolute(weights: str | None) -> str | None:
    """Return the value of `--weights` for processes with another working directory."""
    if weights is None or weights == IMAGENET:
        return weights
    return str(Path(weights).expanduser().absolute())


def min_size(network: Section, key: str) -> int:
    """Return the smallest size of images; 1 if `check_source` will not find the weights."""
    settings: Any = network
    if settings.weights not in (None, IMAGENET):
        try:
            find_source(settings.weights)
        except UserError:
            return 1
    return MODELS[getattr(network, key)].min_size


def check_source(network: Section, key: str) -> None:
    """Raise `UserError` unless the weights are there and are those of the section's network.

    Missing weights of ImageNet are downloaded.
    """
    settings: Any = network
    if settings.weights is None:
        return
    name = getattr(network, key)
    is_frozen_with_motion = settings.freeze and getattr(settings, "motion", False)
    if settings.weights == IMAGENET:
        if is_frozen_with_motion:
            raise UserError(NO_MOTION)
        imagenet_files.weight_file(name)
        return
    source = find_source(settings.weights)
    if is_frozen_with_motion and source.motion is False:
        raise UserError(NO_MOTION)
    if source.network not in (None, name):
        raise UserError(f"--{key} {name}: {settings.weights} holds {source.network}")
    if source.width not in (None, settings.width):
        raise UserError(
            f"--width {settings.width}: the network of {settings.weights} has --width"
            f" {source.width}"
        )
