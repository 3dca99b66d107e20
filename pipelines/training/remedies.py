"""Remedies as settings of a task: the changes to a config that apply a remedy of a finding.

    settings_for("clip-norm", config, Facts(norm=0.3), finding.evidence)     {"clip_norm": 0.3}

The one table of them, for the warnings of a training and for the doctor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from ...callbacks.findings.remedies import remedy
from ...callbacks.treatment import strength
from ...callbacks.treatment.facts import Facts, NotApplicable
from ..core.config import TrainingConfig, flat, replace, setting_types
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..core.shell import shell_flag
from ..models.recurrent_settings import RECURRENT, SIMPLE
from ..models.zoo import MODELS

ENCODER = "cnn"  # the setting that names the convolutions of a task with a recurrent network
RESIDUAL = "resnet20"  # the smallest residual network
BARE = ("vgg", "googlenet")  # families that have batch normalisation only if it is set
NORMALIZED = ("convnet", "resnet", *BARE)  # families that have it, or can have it
OWN_WEIGHTS = {"alexnet": "other", "lenet5_original": "other", "bag": "glorot"}  # others: he

Changes = dict[str, Any]


@dataclass(frozen=True)
class _Case:
    """A training that is to be treated.

    Attributes:
        settings: its settings by name, with the defaults filled in.
        kinds: the types of the task's settings, by name.
        facts, evidence: as `settings_for` takes them.
    """

    settings: Mapping[str, Any]
    kinds: Mapping[str, Any]
    facts: Facts
    evidence: Mapping[str, Any]

    def require(self, key: str, words: str) -> Any:
        """Return the value of a setting.

        Raises:
            NotApplicable: the task has none; `words` say for what.
        """
        if key not in self.settings:
            raise NotApplicable(f"the task has no setting for {words}")
        return self.settings[key]

    def allows(self, key: str, word: str) -> bool:
        """Return whether a word is a value of a setting of the task."""
        return word in _words(self.kinds.get(key))

    @property
    def model(self) -> str:
        """The network; "" if the task, one of another package, has no such setting."""
        return self.settings.get("model", "")

    @property
    def family(self) -> str:
        """The family of a network on images; "" for other networks."""
        return MODELS[self.model].family if self.model in MODELS else ""

    def require_recurrent(self) -> str:
        """Return the recurrent cell, a value of `model`.

        Raises:
            NotApplicable: the network has none.
        """
        if self.model not in RECURRENT:
            name = f", {self.model}," if self.model else ""
            raise NotApplicable(f"the network{name} has no recurrent layer")
        return self.model


def settings_for(
    name: str,
    config: TrainingConfig,
    facts: Facts | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Changes:
    """Return the changes with which `core.config.replace` applies a remedy to a config.

    Args:
        name: the name of the remedy, one of `callbacks.findings.remedies.REMEDIES`.
        config: the settings of the training that is to be treated.
        facts: what is known about that training, for the strength of the remedy.
        evidence: that of the finding.

    Raises:
        NotApplicable: the task has no such setting, or it already has this value.
        ValueError: there is no such remedy.
    """
    config = config.resolved()
    kinds = setting_types(type(config))
    case = _Case(flat(config), kinds, facts or Facts(), evidence or {})
    wanted = _CHANGES[remedy(name).name](case)
    changes = {key: value for key, value in wanted.items() if value != case.settings[key]}
    fixed = [key for key in changes if key in config.fixed_settings()]
    if fixed:
        raise NotApplicable(f"--weights determines {', '.join(fixed)}")
    try:
        replace(config, **changes).resolved().check()
    except UserError as error:
        raise NotApplicable(str(error)) from None
    return changes


def facts_of(run: RunFolder, epochs: int | None = None) -> Facts:
    """Return what is known about the training of a run; runs of earlier versions know less.

    Args:
        epochs: the number of epochs of the short trainings with a remedy; None: unknown.
    """
    results = run.results()
    steps = results.get("steps_per_epoch")
    return Facts(
        norm=results.get("gradient_norm"),
        time_steps=results.get("time_steps"),
        training_steps=None if steps is None or epochs is None else steps * epochs,
    )


def doctor_command(run: RunFolder) -> str:
    """Return the command that tries the remedies on a run."""
    task = run.results().get("task", run.task)
    return f"errorflow {task} doctor {shell_flag('--run', run.path.parent / run.name)}"


def flags_of(changes: Mapping[str, Any]) -> str:
    """Return changes to a config as flags of `train`: "--model lstm --no-bidirectional"."""
    return " ".join(_flag(key.replace("_", "-"), value) for key, value in changes.items())


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value:.6g}" if isinstance(value, float) else f"--{name} {value}"


def _words(kind: Any) -> list[str]:
    """Return the words of a Literal, also of one that may be None."""
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    return [word for arm in get_args(kind) for word in _words(arm)]


# Recurrent layers


def _cell(word: str, name: str, alike: tuple[str, ...]) -> Callable[[_Case], Changes]:
    """Another cell."""

    def change(case: _Case) -> Changes:
        if case.require_recurrent() in alike:
            raise NotApplicable(f"the network is already {name}")
        if not case.allows("model", word):
            raise NotApplicable(f"the task has no {word.upper()}")
        return {"model": word} | _reset_for_gates(case.settings, word)

    return change


def _reset_for_gates(settings: Mapping[str, Any], word: str) -> Changes:
    """Return the settings of the present cell that a cell with gates is not to have."""
    changes: Changes = {}
    if settings.get("activation", "tanh") != "tanh":
        changes["activation"] = "tanh"
    if settings.get("recurrent_kernel") == "identity":
        changes["recurrent_kernel"] = "orthogonal"
    if settings.get("forget_bias") is not None and word != "lstm":
        changes["forget_bias"] = None
    return changes


def _forget_bias(case: _Case) -> Changes:
    if case.require_recurrent() != "lstm":
        raise NotApplicable("the network has no LSTM with a forget gate")
    if case.settings.get("chrono"):
        raise NotApplicable("Chrono initialisation already chooses the biases")
    current = case.require("forget_bias", "the bias of forget gates")
    return {"forget_bias": strength.forget_bias(1.0 if current is None else current, case.facts)}


def _chrono(case: _Case) -> Changes:
    if case.require_recurrent() in SIMPLE:
        raise NotApplicable("a simple recurrent network has no gates")
    if case.require("chrono", "Chrono initialisation"):
        raise NotApplicable("the network already has Chrono initialisation")
    bias = {"forget_bias": None} if case.settings.get("forget_bias") is not None else {}
    return {"chrono": 1.0, **bias}


def _recurrent_kernel(word: str) -> Callable[[_Case], Changes]:
    def change(case: _Case) -> Changes:
        model = case.require_recurrent()
        if word == "identity" and model not in SIMPLE:
            raise NotApplicable("it is for a simple recurrent network")
        if case.require("recurrent_kernel", "the recurrent kernel") == word:
            raise NotApplicable(f"the recurrent kernel is already {word} at the start")
        is_relu = word == "identity" and "activation" in case.settings
        return {"recurrent_kernel": word} | ({"activation": "relu"} if is_relu else {})

    return change


def _layer_normalization(case: _Case) -> Changes:
    if not case.allows("normalization", "layer"):
        raise NotApplicable("the task has no setting for layer normalisation")
    case.require_recurrent()
    return _switched(case, "normalization", "layer", "layer normalisation")


def _attention(case: _Case) -> Changes:
    case.require("attention", "attention")
    return _switched(case, "attention", True, "attention")


def _reverse(case: _Case) -> Changes:
    case.require("reverse", "the order of the source sequence")
    if case.settings.get("bidirectional"):
        raise NotApplicable("the encoder already reads the source in both directions")
    return _switched(case, "reverse", True, "a reversed source sequence")


def _truncate(case: _Case) -> Changes:
    raise NotApplicable("the task trains on whole sequences, and has no setting to truncate them")


# Convolutions and dense layers


def _activation(wanted: str, instead_of: tuple[str, ...]) -> Callable[[_Case], Changes]:
    def change(case: _Case) -> Changes:
        if wanted == "relu" and case.model in RECURRENT:
            raise NotApplicable("the recurrent layers are made for tanh")
        current = case.require("activation", "the activation of hidden layers") or "relu"
        if case.model == "lenet5_original":
            raise NotApplicable("lenet5_original has the paper's activation")
        if current not in instead_of:
            raise NotApplicable(f"the activation of the hidden layers is {current}")
        return {"activation": wanted}

    return change


def _initial_weights(case: _Case) -> Changes:
    """He's weights for ReLU, Glorot's for what is like tanh."""
    settings, model = case.settings, case.model
    if model in RECURRENT:
        raise NotApplicable("the recurrent layers already begin with Glorot's weights")
    chosen = case.require("initial_weights", "the initial weights")
    is_relu = settings["activation"] in (None, "relu", "leaky_relu")
    wanted = "he" if is_relu and model != "lenet5_original" else "glorot"
    if (chosen or OWN_WEIGHTS.get(model, "he")) == wanted:
        raise NotApplicable(f"the network, {model}, already begins with {wanted} weights")
    return {"initial_weights": wanted}


def _shortcuts(case: _Case) -> Changes:
    settings = case.settings
    key = ENCODER if ENCODER in settings else "model"
    network = settings.get(key)
    if network not in MODELS:
        raise NotApplicable("the task has no network with shortcuts")
    if MODELS[network].family != "resnet":
        others = ("dropout", "auxiliary", "normalization")  # of the network that is replaced
        return (
            {ENCODER: RESIDUAL, "width": 1.0}
            if key == ENCODER
            else {key: RESIDUAL, **dict.fromkeys(others)}
        )
    if settings.get("skip") != "false":
        raise NotApplicable(f"the network, {network}, already has shortcuts")
    return {"skip": "true"}


def _batch_normalization(case: _Case) -> Changes:
    if not case.allows("normalization", "batch"):
        raise NotApplicable("the task has no setting for batch normalisation")
    chosen = case.settings["normalization"]
    if case.family not in NORMALIZED:
        raise NotApplicable(f"the network, {case.model}, has no option for batch normalisation")
    if chosen == "none" or (chosen is None and case.family in BARE):
        return {"normalization": "batch"}
    raise NotApplicable(f"the network, {case.model}, already has batch normalisation")


def _auxiliary(case: _Case) -> Changes:
    current = case.require("auxiliary", "auxiliary classifiers")
    if isinstance(current, float):  # the weight of an auxiliary loss
        if current:
            raise NotApplicable("the network already has an auxiliary loss")
        return {"auxiliary": 0.1}
    if case.family != "googlenet":
        raise NotApplicable("only googlenet has auxiliary classifiers")
    return _switched(case, "auxiliary", "true", "auxiliary classifiers")


def _switched(case: _Case, key: str, value: Any, words: str) -> Changes:
    if case.settings[key] == value:
        raise NotApplicable(f"the network already has {words}")
    return {key: value}


# Training


def _clip_norm(case: _Case) -> Changes:
    return {
        "clip_norm": strength.clip_threshold(
            case.settings["clip_norm"] or None, case.facts, case.evidence
        )
    }


def _learning_rate(case: _Case) -> Changes:
    return {"learning_rate": strength.lower_rate(case.settings["learning_rate"])}


def _warm_up(case: _Case) -> Changes:
    if case.require("warm_up", "a warm-up"):
        raise NotApplicable("the learning rate already has a warm-up")
    return {"warm_up": strength.warm_up_steps(case.facts)}


_CHANGES: Mapping[str, Callable[[_Case], Changes]] = {
    "lstm": _cell("lstm", "an LSTM", ("lstm", "lstm97")),
    "gru": _cell("gru", "a GRU", ("gru",)),
    "forget-bias": _forget_bias,
    "chrono": _chrono,
    "orthogonal": _recurrent_kernel("orthogonal"),
    "identity": _recurrent_kernel("identity"),
    "clip-norm": _clip_norm,
    "learning-rate": _learning_rate,
    "warm-up": _warm_up,
    "relu": _activation("relu", ("tanh", "sigmoid")),
    "leaky-relu": _activation("leaky_relu", ("relu",)),
    "initial-weights": _initial_weights,
    "shortcuts": _shortcuts,
    "batch-normalization": _batch_normalization,
    "layer-normalization": _layer_normalization,
    "auxiliary": _auxiliary,
    "attention": _attention,
    "reverse": _reverse,
    "truncate": _truncate,
}
