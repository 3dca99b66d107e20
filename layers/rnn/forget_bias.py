"""An initial bias with which the forget gates of an LSTM start open."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

GATES, FORGET = 4, 1  # of an LSTM, in Keras' order i, f, g, o


@keras.saving.register_keras_serializable("errorflow")
class ForgetBias(keras.initializers.Initializer):
    """The bias of an LSTM that is 0 but for its forget gates.

    With b_f = 1 a cell keeps most of its state from the start (Gers, Schmidhuber & Cummins 2000;
    Jozefowicz, Zaremba & Sutskever 2015), as Keras' `unit_forget_bias=True` does. A gate that
    stays at σ(b_f) forgets within 1 + exp(b_f) time steps: a larger bias is for longer ones. Use
    it as the `bias_initializer` of an `LSTM` with `unit_forget_bias=False`.

    Args:
        bias: b_f.
    """

    def __init__(self, bias: float = 1.0):
        self.bias = bias

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        biases = np.zeros([*shape[:-1], GATES, shape[-1] // GATES])  # [gates, H]
        biases[..., FORGET, :] = self.bias
        return keras.ops.convert_to_tensor(biases.reshape(shape), dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"bias": self.bias}
