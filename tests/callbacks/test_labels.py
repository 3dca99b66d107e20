"""Every recorded statistic has a label, which figures and the TensorBoard tab show."""

import pytest
from errorflow.callbacks.drawing.labels import label
from errorflow.callbacks.recording import depth_tables, gate_activations, gradient_statistics
from errorflow.layers.analysis.horizon import Horizon
from errorflow.layers.rnn.statistics import STATISTICS

RECORDED = {
    "error_flow": [statistic.name for statistic in STATISTICS],
    "depth_flow": [*depth_tables.OF_LAYERS, *(f"path_{n}" for n in depth_tables.OF_PATHS)],
    "layer_gradients": gradient_statistics.STATISTICS,
    "gates": [g + part for g in gate_activations.GATES for part in ("", "_closed", "_open")],
    "horizon": Horizon._fields,
    "lyapunov": ("exponent", "spread"),
}


@pytest.mark.parametrize("kind", RECORDED)
def test_every_statistic_has_a_label_of_its_own(kind):
    labels = [label(kind, name) for name in RECORDED[kind]]
    assert not {*labels} & {*RECORDED[kind]}
    assert len({*labels}) == len(labels)


def test_a_statistic_without_a_label_shows_its_name():
    assert label("error_matrix", "3") == "3"
