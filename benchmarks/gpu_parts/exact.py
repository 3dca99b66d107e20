"""Are outputs, weight gradients and errors those of an independent reference in float64 on the CPU?

TF32 is off, since it keeps only 10 bits of each factor. The reference is that of the tests: a loop
in Python, one gate at a time. The errors are compared as they are recorded: at each step, the root
mean square over the batch of δh_t, of its carried part and of δc_t, and the largest of any example.
"""

import contextlib
import functools
import itertools
import sys
from pathlib import Path
from typing import NamedTuple

from . import Failures, Form, Report

LIMIT = 1e-4  # of relative differences; TF32 causes 1e-3
TINY = 1e-25  # a factor of the loss, with which squared errors are too small for float32
CELLS = ("SimpleRNN", "LSTM", "GRU")
LOOPS = {"own": False, "auto": "auto", "fused": True}


class Case(NamedTuple):
    """A layer, the loop that it runs, and the sequences."""

    cell: str
    loop: str = "auto"
    jit: bool = False
    mask: str = "none"
    steps: int = 20
    loss_scale: float = 1.0

    def __str__(self):
        jit = ", jit" * self.jit
        tiny = f", loss × {self.loss_scale:g}" * (self.loss_scale != 1)
        return f"{self.cell}, {self.loop}{jit}, mask {self.mask}, T={self.steps}{tiny}"


def run(form: Form) -> Report:
    failures, largest = Failures(), {}
    with tf32_off():
        for case in reduced_cases() if form.reduced else cases():
            if form.seconds_left < 15:
                failures.append(f"no time left for {case} and later cases")
                break
            with failures.guard(str(case)):
                largest[str(case)] = differences(case, form.device)
    for case, by_name in largest.items():
        wrong = [f"{name} by {value:.1e}" for name, value in by_name.items() if not value <= LIMIT]
        failures += [f"{case}: differ: {', '.join(wrong)}"] if wrong else []
    worst = max((max(by_name.values()) for by_name in largest.values()), default=float("nan"))
    summary = f"largest relative difference {worst:.1e} in {len(largest)} cases"
    return Report(summary, {"limit": LIMIT, "differences": largest}, failures)


def cases():
    """Return the cases, the most important ones first."""
    ways = [("auto", False), ("own", False), ("auto", True)]  # with jit, auto is our own loop
    return [
        *(Case(cell, mask="holes") for cell in CELLS),
        Case("LSTM", steps=1000),
        *(Case("LSTM", loop, loss_scale=TINY) for loop in ("auto", "own")),
        *(
            Case(cell, loop, jit, mask)
            for (loop, jit), mask, cell in itertools.product(ways, ("none", "padding"), CELLS)
        ),
    ]


def reduced_cases():
    """Return a few cases with few steps; a plain loop takes cuDNN's place in the fused one."""
    return [
        Case("LSTM", "fused", mask="holes", steps=4),
        Case("GRU", jit=True, mask="padding", steps=4, loss_scale=TINY),
    ]


@contextlib.contextmanager
def tf32_off():
    """Let products have all bits of float32 inside the block."""
    import tensorflow as tf

    switch = tf.config.experimental
    before = switch.tensor_float_32_execution_enabled()
    switch.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        switch.enable_tensor_float_32_execution(before)


class Problem(NamedTuple):
    """Arrays in float64."""

    x: object  # [B, T, D]
    valid: object  # [B, T] bool
    weights: list


@functools.cache
def problem(cell, mask, steps):
    """Return random sequences and weights."""
    import numpy as np

    batch, width, units = 8, 6, 16
    gates = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[cell]
    random = np.random.default_rng(0)
    bias = (2, gates * units) if cell == "GRU" else (gates * units,)
    shapes = (width, gates * units), (units, gates * units), bias
    valid = np.ones([batch, steps], bool)
    if mask == "padding":
        lengths = random.integers(1, steps + 1, batch)
        valid = np.arange(steps) < lengths[:, None]
    elif mask == "holes":
        valid = random.random([batch, steps]) < 0.6
        valid[0] = False  # an empty sequence, which cuDNN does not take
    weights = [random.normal(size=shape) / np.sqrt(units) for shape in shapes]
    return Problem(random.normal(size=[batch, steps, width]), valid, weights)


def objective(outputs, states, scale):
    """Return E, a mean over the batch in which each step, unit and last state has its weight."""
    import tensorflow as tf

    total = 0.0
    for tensor in (outputs, *states):
        pattern = tf.cos(tf.cast(tf.range(tf.size(tensor)), tensor.dtype))
        total += tf.reduce_sum(tensor * tf.reshape(pattern, tf.shape(tensor)) + 0.5 * tensor**2)
    return scale * total / tf.cast(tf.shape(outputs)[0], outputs.dtype)


@functools.cache
def expected(case):
    """Return outputs, last states, weight gradients and recorded figures in float64 on the CPU."""
    import numpy as np
    import tensorflow as tf

    reference = tests_reference()
    steps = {"SimpleRNN": reference.simple_rnn, "LSTM": reference.lstm}
    step = steps.get(case.cell, reference.gru_reset_after)
    x, valid, weights = problem(case.cell, case.mask, case.steps)
    states = [np.zeros([len(x), weights[1].shape[0]])] * (2 if case.cell == "LSTM" else 1)
    masked = None if case.mask == "none" else valid
    with tf.device("CPU:0"), tf.GradientTape() as tape:
        constants = [tf.constant(w) for w in weights]
        tape.watch(constants)
        outputs, last = reference.unrolled(tf, step, tf.constant(x), states, constants, masked)
        e = objective(outputs, last, case.loss_scale)
    with tf.device("CPU:0"):
        gradients = tape.gradient(e, constants)
        loss = functools.partial(objective, scale=case.loss_scale)
        errors = reference.errors(loss, step, x, states, weights, masked)
    return outputs, last, gradients, reference.figures(errors, masked)


def tests_reference():
    """Import the reference of the tests, which lie beside the benchmarks."""
    folder = str(Path(__file__).parents[2] / "tests")
    if folder not in sys.path:
        sys.path.append(folder)
    import reference

    return reference


def computed(case, device):
    """Return the same, computed by a layer in float32, which has to be on the device."""
    import keras
    import numpy as np
    import tensorflow as tf
    from errorflow.layers import watch

    x, valid, weights = problem(case.cell, case.mask, case.steps)
    inputs = keras.Input(x.shape[1:])
    mask = keras.Input(valid.shape[1:], dtype="bool")
    layer = getattr(keras.layers, case.cell)(
        weights[1].shape[0], return_sequences=True, return_state=True, name="recurrent"
    )
    outputs = layer(inputs, mask=None if case.mask == "none" else mask)
    model = watch(keras.Model([inputs, mask], outputs), fused=LOOPS[case.loop])
    model.set_weights(weights)
    variables = [weight.value for weight in model.trainable_weights]

    @tf.function(jit_compile=case.jit or None)
    def run(x, valid):
        with tf.GradientTape() as tape:
            outputs, *states = model([x, valid], training=True)
            e = objective(outputs, states, case.loss_scale)
        return outputs, states, tape.gradient(e, variables)

    outputs, states, gradients = run(tf.constant(np.float32(x)), tf.constant(valid))
    if not outputs.device.endswith(device):
        raise RuntimeError(f"computed on {outputs.device}, not on {device}")
    (row,) = model.get_layer("recurrent").error.latest()
    return outputs, states, gradients, row


def differences(case, device):
    """Return the largest relative difference of each result, by its name."""
    import numpy as np

    ours = computed(case, device)
    theirs = expected(case._replace(loop="", jit=False))
    result = {"outputs": difference(ours[0], theirs[0])}
    result["last states"] = max(map(difference, ours[1], theirs[1]))
    result["weight gradients"] = max(map(difference, ours[2], theirs[2]))
    for name, figure in theirs[3].items():
        if np.array_equal(np.isnan(ours[3][name]), np.isnan(figure)):
            result[name] = difference(*map(np.nan_to_num, (ours[3][name], figure)), each=True)
        else:
            result[name] = float("inf")  # another step is masked
    return result


def difference(ours, theirs, each=False):
    """Return the largest difference relative to the largest entry; `each`: to each entry."""
    import numpy as np

    ours, theirs = np.float64(ours), np.float64(theirs)
    size = np.abs(theirs)
    relative_to = np.maximum(size, 1e-3 * size.max()) if each else size.max()
    return float((np.abs(ours - theirs) / np.maximum(relative_to, 1e-300)).max())
