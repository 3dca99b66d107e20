"""Remedies of convolutions and dense layers, as changes to the settings of a task."""

from collections.abc import Callable

from ...callbacks.treatment.facts import NotApplicable
from ..models.recurrent_settings import RECURRENT
from ..models.zoo import MODELS
from .remedy_case import Case, Changes

ENCODER = "cnn"  # the setting that names the convolutions of a task with a recurrent network
RESIDUAL = "resnet20"  # the smallest residual network
BARE = ("vgg", "googlenet")  # families that have batch normalisation only if it is set
NORMALIZED = ("convnet", "resnet", *BARE)  # families that have it, or can have it
OWN_WEIGHTS = {"alexnet": "other", "lenet5_original": "other", "bag": "glorot"}  # others: he


def activation(wanted: str, instead_of: tuple[str, ...]) -> Callable[[Case], Changes]:
    """Return the remedy that puts an activation in the place of others."""

    def change(case: Case) -> Changes:
        if wanted == "relu" and case.model in RECURRENT:
            raise NotApplicable("the recurrent layers are made for tanh")
        current = case.require("activation", "the activation of hidden layers") or "relu"
        if case.model == "lenet5_original":
            raise NotApplicable("lenet5_original has the paper's activation")
        if current not in instead_of:
            raise NotApplicable(f"the activation of the hidden layers is {current}")
        return {"activation": wanted}

    return change


def initial_weights(case: Case) -> Changes:
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


def shortcuts(case: Case) -> Changes:
    """A residual network, or the shortcuts of one that has none."""
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


def batch_normalization(case: Case) -> Changes:
    """Batch normalisation, where the network can have it."""
    if not case.allows("normalization", "batch"):
        raise NotApplicable("the task has no setting for batch normalisation")
    chosen = case.settings["normalization"]
    if case.family not in NORMALIZED:
        raise NotApplicable(f"the network, {case.model}, has no option for batch normalisation")
    if chosen == "none" or (chosen is None and case.family in BARE):
        return {"normalization": "batch"}
    raise NotApplicable(f"the network, {case.model}, already has batch normalisation")


def auxiliary(case: Case) -> Changes:
    """Auxiliary classifiers, or an auxiliary loss."""
    current = case.require("auxiliary", "auxiliary classifiers")
    if isinstance(current, float):  # the weight of an auxiliary loss
        if current:
            raise NotApplicable("the network already has an auxiliary loss")
        return {"auxiliary": 0.1}
    if case.family != "googlenet":
        raise NotApplicable("only googlenet has auxiliary classifiers")
    return case.switched("auxiliary", "true", "auxiliary classifiers")
