"""The headline of each kind of finding: its severity, its length, and its numbers."""

import re
from typing import Any

import numpy as np
import pytest
from error_histories import decaying, history, recorded
from errorflow.callbacks.findings.encoder_decoder import encoder_decoder_finding
from errorflow.callbacks.findings.error_flow import error_flow_finding
from errorflow.callbacks.findings.gates import gate_findings
from errorflow.callbacks.findings.horizon import horizon_finding
from errorflow.callbacks.findings.layer_gradients import gradient_findings
from errorflow.callbacks.findings.lyapunov import lyapunov_finding
from errorflow.callbacks.findings.probe import Probe

TIME = np.arange(40)
NUMBER = re.compile(r"(?<![A-Za-z_\d])-?\d[\d.,]*(?:e-?\d+)?(?<![.,])")


def over_time(curve, backwards=False, probe=None, **options):
    return error_flow_finding("rnn", history(curve, **options), backwards, probe)


def overflowing(curve):
    tables = history(curve)
    tables["hidden"][[0, 90], 5] = tables["hidden_from_end"][[0, 90], 5] = np.inf
    return error_flow_finding("rnn", tables, backwards=False)


def not_finite():
    tables = history(decaying(3.0))
    tables["hidden"][36:] = np.nan
    return error_flow_finding("rnn", tables)


def skipped():
    return error_flow_finding("rnn", history(decaying(3.0)) | {"skipped": np.ones(100, bool)})


def backwards(half_life):
    curve = decaying(half_life)[None, ::-1]
    return error_flow_finding("rnn", recorded(curve, curve * (TIME == 0), backwards=True), True)


def entering(step):
    curve = np.where(step >= TIME + 1, 0.5 ** ((step - 1 - TIME) / 3.0), 0.0)[None]
    return error_flow_finding("rnn", recorded(curve, curve * (step == TIME + 1)), False)


def probed(half_life, prediction="last"):
    everywhere = recorded(np.ones([1, 40]), 0.5)
    alone = decaying(half_life)
    of_one = recorded([alone], alone * (TIME == 39), rows=1) | {"step": np.array([120])}
    probe = Probe(of_one, prediction, 4, np.array([0.0031]), np.zeros(1))
    return error_flow_finding("rnn", everywhere, False, probe)


def crossing(share):
    joined = {"step": np.arange(1, 101), "at_first": np.full(100, share), "largest": np.ones(100)}
    return encoder_decoder_finding(("encoder", "decoder"), joined)


def over_depth(norm, ratio: Any = 1.0, layers=8, **options):
    norm, ratio = (np.broadcast_to(np.asarray(a, float), [100, layers]) for a in (norm, ratio))
    names = [*"abcdefgh"][:layers]
    return gradient_findings(np.arange(1, 101), names, norm, ratio, **options)[0]


def overflowing_gradient():
    norm = np.ones([100, 8])
    norm[2:4, 5] = np.inf
    return over_depth(norm)


def gate(share):
    history = {"step": np.array([3]), "forget": np.zeros([1, 5])}
    return gate_findings("lstm", history | {"forget_closed": np.full([1, 5], share)})[0]


def horizon(norms):
    return horizon_finding("rnn", {"step": np.array([3]), "hidden": np.array([norms])})


def lyapunov(largest):
    values = {"exponent": np.array([[largest, -9.0]]), "spread": np.full([1, 2], 0.01)}
    return lyapunov_finding("rnn", {"step": np.array([3]), **values})


SILENT = np.where(np.arange(8) < 5, 0.0, 1.0)
TROUBLE = {
    "vanishing, half-life 3.1 steps, step 1 gets 2e-4": lambda: over_time(decaying(3.1)),
    "vanishing, half-life 0.01 steps, nothing measurable arrives": lambda: over_time(
        decaying(0.01)
    ),
    "exploding, doubles every 3 steps, step 1 gets 8192×": lambda: over_time(decaying(-3.0)),
    "vanishing, uneven, step 1 gets 3e-5": lambda: over_time(
        np.append(np.full(37, 1e-5), [0.06, 0.1, 0.3])
    ),
    "vanishing, does not travel back a step, nothing measurable arrives": lambda: over_time(
        np.append(np.zeros(39), 0.3)
    ),
    "vanishing, step 1 gets 2e-4, 2 overflows": lambda: overflowing(decaying(3.1)),
    "not finite since training step 37": not_finite,
    "no error in the last 20 recorded training steps": lambda: over_time(np.zeros(40)),
    "vanishing, half-life 3.1 steps, first step read gets 2e-4": lambda: backwards(3.1),
    "vanishing, step 1 gets 1e-5 of the last step's error": lambda: over_time(
        np.append(np.full(39, 1e-5), 1.0), injected=1e-6
    ),
    "vanishing, half-life 1 step, step 1 gets 2e-12": lambda: probed(1.0),
    "does not cross, first step gets 2e-5 of the decoder's largest": lambda: crossing(2e-5),
    "does not cross, nothing measurable arrives": lambda: crossing(0.0),
    "gradient not finite in training step 3": overflowing_gradient,
    "no gradient in any layer in the last 20 training steps": lambda: over_depth(0.0),
    "no gradient in 5 layers in the last 20 training steps": lambda: over_depth(SILENT),
    "no gradient in the last 20 training steps": lambda: over_depth(SILENT[4:], layers=4),
    "63% of the units are dead": lambda: over_depth(1.0, dead=np.full([100, 8], 0.63)),
    "starving: first layers' relative gradient 1e-6 of the last's": lambda: over_depth(
        1.0, 10.0 ** np.arange(8)
    ),
    "exploding over depth: first layers' relative gradient 1e6× the last's": lambda: over_depth(
        1.0, 10.0 ** -np.arange(8)
    ),
    "starving: first layer's relative gradient 2e-4 of the last's": lambda: over_depth(
        1.0, 9.0 ** np.arange(5), layers=5
    ),
    "clipped in 100% of the steps, norm 14, threshold 0.001": lambda: over_depth(
        5.0, clip_norm=0.001
    ),
    "saturated: forget gate 93% closed": lambda: gate(0.93),
    "horizon: finite and above zero at one step at most": lambda: horizon([np.nan, 1.0]),
    "largest Lyapunov exponent not finite": lambda: lyapunov(np.nan),
}
HEALTHY = {
    "healthy, step 1 gets 0.41 of the last step's error": lambda: over_time(decaying(30.0)),
    "healthy, step 1 gets 0.41, 2 overflows": lambda: overflowing(decaying(30.0)),
    "healthy, step 1 gets 0.0098 of the error that enters": lambda: entering(21),
    "healthy, first step read gets 0.41 of the last one's error": lambda: backwards(30.0),
    "healthy, step 1 gets 0.41 of the last step's cell error": lambda: over_time(
        np.full(40, 1e-4), cell=decaying(30.0)
    ),
    "healthy, step 1 gets 0.41 of the first prediction's error": lambda: probed(30.0, "first"),
    "healthy, first step gets 0.031 of the decoder's largest": lambda: crossing(0.031),
}
UNCLEAR = {
    "all 100 training steps skipped by the loss scale": skipped,
    "only 4 training steps recorded, 10 are needed": lambda: over_time(decaying(3.0), rows=4),
    "a single time step: no error travels through time": lambda: over_time(np.ones(1)),
    "errors enter at the first step read alone": lambda: entering(1),
    "range unknown, step 1 gets 1.5× the last step's error": lambda: over_time(
        np.linspace(0.3, 0.2, 40), injected=0.199
    ),
    "cannot be judged: zero or not finite": lambda: crossing(np.nan),
    "horizon: half-life 14 steps, 0.15 at the first step": lambda: horizon(
        0.5 ** (TIME[::-1] / 14)
    ),
    "horizon: hardly changes, 1 at the first step": lambda: horizon(np.ones(40)),
    "largest Lyapunov exponent -0.05, half-life 14 steps": lambda: lyapunov(-0.05),
    "largest Lyapunov exponent 0.2, doubles every 3.5 steps": lambda: lyapunov(0.2),
    "largest Lyapunov exponent 0": lambda: lyapunov(0.0),
    "largest Lyapunov exponent -∞": lambda: lyapunov(-np.inf),
    "horizon: zero before the last step": lambda: horizon(np.append(np.zeros(39), 1.0)),
}
FINDINGS = {"trouble": TROUBLE, "healthy": HEALTHY, "unclear": UNCLEAR}
ROWS = [(s, h, find) for s, of_one in FINDINGS.items() for h, find in of_one.items()]


@pytest.mark.parametrize(
    "severity, headline, find", ROWS, ids=[headline for _, headline, _ in ROWS]
)
def test_a_headline_has_the_numbers_of_its_text(severity, headline, find):
    finding = find()
    assert (finding.headline, finding.severity) == (headline, severity)
    assert len(headline) <= 70
    shown = f"{finding.text} {finding.evidence}"
    assert {*NUMBER.findall(headline)} <= {*NUMBER.findall(shown)}
