"""Chrono initialisation: initial biases that let gates remember for as long as a task needs."""

import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

GATES = {"lstm": "ifgo", "lstm97": "igo", "gru": "zrg"}  # Keras' order of the gates' columns


@keras.saving.register_keras_serializable("errorflow")
class Chrono(keras.initializers.Initializer):
    """Chrono initialisation of the bias of an LSTM or GRU (Tallec & Ollivier 2018).

    A cell whose forget gate stays at f forgets within 1 / (1 − f) steps. To spread these times
    evenly over what a task may need, up to `longest` steps, the biases are

        b_f = ln u,  b_i = −b_f,  u ~ uniform(1, longest − 1)      LSTM
        b_i = −ln u                                               LSTM without a forget gate
        b_z = ln u                                                GRU (z keeps the state, as Keras)

    with one u for each unit; the other biases are 0. In an LSTM, use it with
    `unit_forget_bias=False`.

    Args:
        longest: the longest time to remember, in time steps; above 2.
        cell: "lstm", "lstm97" (without a forget gate) or "gru".
        seed: the seed of u; by default drawn from the state that `keras.utils.set_random_seed`
            sets.

    Raises:
        ValueError: `cell` is unknown, or `longest` is not above 2.
    """

    def __init__(self, longest: float, cell: str = "lstm", seed: int | None = None):
        if cell not in GATES:
            raise ValueError(f"Chrono: cell must be one of {', '.join(GATES)}, got {cell!r}")
        if longest <= 2:
            raise ValueError(f"Chrono: longest must be above 2 time steps, got {longest}")
        self.longest, self.cell = longest, cell
        self.seed = random.randrange(2**31) if seed is None else seed  # as Keras does

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        gates = GATES[self.cell]
        bias = np.zeros([*shape[:-1], len(gates), shape[-1] // len(gates)])  # [(2,) gates, H]
        rows = bias[0] if bias.ndim == 3 else bias  # a GRU's second bias, b', stays 0
        remember = np.log(
            np.random.default_rng(self.seed).uniform(1, self.longest - 1, rows[0].shape)
        )
        for gate, value in {"f": remember, "i": -remember, "z": remember}.items():
            if gate in gates:
                rows[gates.index(gate)] = value
        return keras.ops.convert_to_tensor(bias.reshape(shape), dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"longest": self.longest, "cell": self.cell, "seed": self.seed}
