"""Labels of the recorded statistics, for figures, the report and the TensorBoard tab."""

from collections.abc import Mapping

_GATES = ("input", "forget", "output", "update", "reset")
_LABELS: Mapping[str, Mapping[str, str]] = {
    "error_flow": {
        "hidden": "‖dE/dh‖, rms over the batch",
        "hidden_max": "‖dE/dh‖, largest in the batch",
        "carried": "‖dE/dh‖ from later steps only, rms",
        "valid": "number of examples",
        "cell": "‖dE/dc‖, rms over the batch",
        "cell_max": "‖dE/dc‖, largest in the batch",
        "injected": "error injected at the step, rms",
        "hidden_next": "‖dE/dh‖ at the next step, rms",
        "cell_next": "‖dE/dc‖ at the next step, rms",
    },
    "layer_gradients": {
        "norm": "‖dE/dW‖ of the layer",
        "ratio": "‖dE/dW‖ / ‖W‖ of the layer",
        "dead": "share of dead units",
    },
    "depth_flow": {
        "rms": "‖dE/da‖, rms over the batch",
        "max": "‖dE/da‖, largest in the batch",
        "mean": "mean of the output",
        "std": "standard deviation of the output",
        "dead": "share of units that are zero",
        "path_rms": "‖dE/da‖ by path, rms over the batch",
        "path_max": "‖dE/da‖ by path, largest in the batch",
    },
    "horizon": {
        "hidden": "‖dh_T/dh_t‖",
        "cell": "‖dh_T/dc_t‖",
        "bound": "product of single-step norms",
    },
    "lyapunov": {
        "exponent": "Lyapunov exponent per time step",
        "spread": "Lyapunov exponent, spread over the examples",
    },
    "gates": {
        **{gate: f"{gate} gate, mean" for gate in _GATES},
        **{f"{gate}_closed": f"{gate} gate, share below 0.1" for gate in _GATES},
        **{f"{gate}_open": f"{gate} gate, share above 0.9" for gate in _GATES},
    },
}


def label(kind: str, statistic: str) -> str:
    """Return the label of a statistic, or its name if it has none.

    Args:
        kind: the kind of rows, see `recording.blocks`.
        statistic: its name.
    """
    return _LABELS.get(kind, {}).get(statistic, statistic)
