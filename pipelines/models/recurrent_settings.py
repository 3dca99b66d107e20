"""The settings that all tasks with recurrent layers share: how these begin, and learn over time.

Nothing here imports TensorFlow; `recurrent.recurrent_layer` turns the settings into layers.
"""

import dataclasses
from typing import Any, Literal

from ..core.config import Section, TrainingConfig
from ..core.errors import UserError, require

SIMPLE, GATED = ("rnn",), ("lstm", "lstm97", "gru")  # values of the setting `model`
RECURRENT = SIMPLE + GATED


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecurrentSettings(Section):
    """How recurrent layers begin, and over how many time steps they learn."""

    recurrent_kernel: Literal["orthogonal", "identity", "glorot"] = "orthogonal"
    """Initial weights of the recurrent connections: orthogonal (Henaff, Szlam & LeCun 2016);
    identity, only for rnn, whose activation is then ReLU (Le, Jaitly & Hinton 2015); or glorot
    (Glorot & Bengio 2010)."""
    forget_bias: float | None = None
    """Initial bias of an LSTM's forget gates; a larger one remembers for longer (Gers, Schmidhuber
    & Cummins 2000) (default: 1)."""
    chrono: float | None = 0.0
    """Chrono initialisation: initial gates remember for up to this multiple of the longest training
    sequence (Tallec & Ollivier 2018); 0: Keras' initial biases."""
    normalization: Literal["layer", "none"] = "none"
    """layer: layer normalisation of what each recurrent layer reads (Ba, Kiros & Hinton 2016, who
    normalise inside the layer)."""
    truncate: int | None = None
    """Truncated backpropagation through time: recurrent layers carry no error across every k-th
    time step, counted back from the end of a sequence (Williams & Peng 1990). On a GPU the layers
    then do not run in cuDNN (default: the error of all time steps)."""

    def check(self) -> None:
        require((self.chrono or 0) >= 0, "chrono", "0 or more", self.chrono)
        require(self.truncate is None or self.truncate >= 1, "truncate", "1 or more", self.truncate)
        if self.chrono and self.forget_bias is not None:
            raise UserError("--chrono and --forget-bias both choose the biases: give one of them")

    def check_for(self, model: str) -> None:
        """Raise `UserError` for a setting that a network cannot have.

        Args:
            model: its recurrent layers, or the name of a network without any.
        """
        names = [field.name for field in dataclasses.fields(RecurrentSettings)]
        default = RecurrentSettings()
        chosen = {
            name: value
            for name in names
            if (value := getattr(self, name)) not in (None, getattr(default, name))
        }
        for name, value in chosen.items():
            if model not in RECURRENT:
                _refuse(name, value, f"{model} has no recurrent layer")
            elif name == "forget_bias" and model != "lstm":
                _refuse(name, value, f"{model} has no forget gate")
            elif name == "chrono" and model not in GATED:
                _refuse(name, value, f"{model} has no gates")
            elif value == "identity" and model not in SIMPLE:
                _refuse(name, value, f"only rnn begins with an identity kernel, not {model}")


def _refuse(name: str, value: Any, reason: str) -> None:
    raise UserError(f"--{name.replace('_', '-')} {value}: {reason}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecurrentConfig(TrainingConfig):
    """Settings for training a network with recurrent layers."""

    recurrent: RecurrentSettings = RecurrentSettings()
    """How recurrent layers begin, and over how many time steps they learn."""

    def check(self) -> None:
        super().check()
        self.recurrent.check_for(self.network.model)
