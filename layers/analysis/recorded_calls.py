"""The calls of a model's recurrent layers, recorded so that each can be analysed separately."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from ..paths import walk
from ..rnn.base import RecurrentLayer, loop_replaced
from ..rnn.carried_scale import CarriedScale
from ..rnn.equations import Equations, Weights
from ..rnn.equations import Sequence as ForwardSequence
from ..rnn.error_record import ErrorRecord
from ..rnn.in_place import records_error
from ..rnn.matrix_products import swap_batch_and_time
from ..rnn.programs import programs
from ..rnn.watch import made_visible


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a recurrent layer: its inputs, the arrays that its loop saved, and its outputs.

    Attributes:
        name: the path of the layer.
        equations: the equations of the cell.
        inputs: x [B, T, D] in the order in which it was read, then the initial states.
        sequence: what the forward loop returned, time-major.
        mask: [T, B, 1] bool or None.
        factors: those of the error carried back, [T, B, 1] or None (see `carried_scale.py`).
        backwards: whether x was read from its last step to its first.
        outputs: h [B, T, H] where the layer returns sequences, then the last states.
    """

    name: str
    equations: Equations
    weights: Weights
    inputs: tuple[Any, ...]
    sequence: ForwardSequence
    mask: Any
    factors: Any
    backwards: bool
    outputs: tuple[Any, ...]
    returns_sequences: bool

    @property
    def symbolic(self) -> bool:
        """Whether Keras made the call with symbolic tensors, to build a model."""
        return tf.is_symbolic_tensor(self.sequence.x)

    def split(self, errors: Sequence[Any]) -> tuple[Any, Any]:
        """Split errors of `outputs` into those of h (or None) and those of the last state."""
        injected, last = (errors[0], errors[1:]) if self.returns_sequences else (None, errors)
        return injected, self.equations.state(*last)


def is_recordable(part: Any) -> bool:
    """Return whether `record_calls` records the calls of a layer, or of a cell of a stack."""
    return isinstance(part, RecurrentLayer) or records_error(part)  # a layer may not be built yet


@contextlib.contextmanager
def record_calls(model: keras.Model) -> Iterator[tuple[tf.GradientTape, list[Call]]]:
    """Within the context, record the calls of a model's recurrent layers.

    To the tape, the outputs of each call are new variables. So it records the operations between
    the recurrent layers, and nothing inside them. No error is recorded in
    `layer.error`, and the states of stateful layers are restored afterwards.

    Yields:
        A persistent tape, and the list of the calls in their order, to which each call is appended.
    """
    parts = {name: part for name, part in walk(model) if is_recordable(part)}
    tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    with tape, contextlib.ExitStack() as stack:
        recording = _Recording(tape)
        stack.enter_context(restored_states(model))
        for name, part in parts.items():
            stack.enter_context(loop_replaced(part, functools.partial(recording.run, name)))
        yield tape, recording.calls


def calls_of(model: keras.Model, x: Any) -> list[Call]:
    """Return the calls of a model's recurrent layers for a batch, at `training=False`."""
    with made_visible(model) as visible, record_calls(visible) as (_, calls):
        visible(x, training=False)
    # Keras precedes the first call of an unbuilt model by a call with symbolic tensors.
    return [call for call in calls if not call.symbolic]


def has_maps(call: Call) -> bool:
    """Return whether the states of a call are maps, as those of a ConvLSTM."""
    return len(call.sequence.states.hidden.shape) > 3


@contextlib.contextmanager
def separate_records(model: keras.Model) -> Iterator[dict[str, list[ErrorRecord]]]:
    """Within the context, each call of a recurrent layer has an error record of its own.

    The layers' own records stay as they are, and so do the states of stateful layers.

    Yields:
        The records of the calls by the path of the layer, in the order in which the calls run.
    """
    records: dict[str, list[ErrorRecord]] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(restored_states(model))
        for name, part in walk(model):
            if is_recordable(part):
                loop = functools.partial(_record_apart, part.loop, records.setdefault(name, []))
                stack.enter_context(loop_replaced(part, loop))
        yield records


def _record_apart(loop, records, equations, x, initial, weights, record, **options):
    """Run the loop of a layer with a record of its own, which starts empty."""
    records.append(ErrorRecord(has_cell="cell" in record.statistics))
    return loop(equations, x, initial, weights, records[-1], **options)


@contextlib.contextmanager
def restored_states(model: keras.Model) -> Iterator[None]:
    """Restore the states of stateful layers after the context."""
    recurrent = [part for _, part in walk(model) if isinstance(part, keras.layers.RNN)]
    states = keras.tree.flatten([layer.states or () for layer in recurrent])
    states = [(state, state.numpy()) for state in states]
    try:
        yield
    finally:
        for state, value in states:
            state.assign(value)


@contextlib.contextmanager
def errors_unrecorded(model: keras.Model) -> Iterator[None]:
    """Within the context, a backward pass leaves the errors that recurrent layers show as before.

    The forward pass has to run in it, too.
    """
    with contextlib.ExitStack() as stack:
        for _, part in walk(model):
            if is_recordable(part):
                stack.enter_context(loop_replaced(part, _unrecorded(part.loop)))
        yield


def _unrecorded(loop):
    """Return the same loop over time with a record that nobody reads."""

    def run(equations, x, initial, weights, record, **options):
        unread = ErrorRecord(has_cell=len(equations.state._fields) == 2)
        return loop(equations, x, initial, weights, unread, **options)

    return run


class _Recording:
    """The calls so far, and the tape that sees their outputs as new variables."""

    def __init__(self, tape: tf.GradientTape):
        self.tape = tape
        self.calls: list[Call] = []

    def run(
        self,
        name: str,
        equations: Equations,
        x: Any,
        initial: Any,
        weights: Weights,
        record: Any,
        *,
        mask: Any,
        return_sequences: bool,
        backwards: bool,
        carried_scale: CarriedScale | None,
        **_: Any,
    ) -> tuple[Any, Any]:
        """Replace `unroll` in the layer `name`: return the same outputs, and record the call."""
        with self.tape.stop_recording():
            forward = programs(equations, False, x.shape[-1], initial.hidden.shape[-1]).forward
            hidden, last, sequence = forward(x, initial, weights, mask, None, return_sequences)
            factors = None
            if carried_scale is not None:
                factors = carried_scale.factors(x, mask, backwards)
            mask, factors = (
                None if tensor is None else swap_batch_and_time(tensor)
                for tensor in (mask, factors)
            )
        outputs = (hidden, *last) if return_sequences else (*last,)
        self.tape.watch(outputs)
        self.calls.append(
            Call(
                name,
                equations,
                weights,
                (x, *initial),
                sequence,
                mask,
                factors,
                backwards,
                outputs,
                return_sequences,
            )
        )
        return hidden, last


def index_of_call(calls: Sequence[Call], layer: str | None, function: str) -> int:
    """Return the index of the only call of a layer.

    Args:
        layer: the layer's path or name; None for the last call.
        function: the name of the public function, for the error message.

    Raises:
        ValueError: there is no such layer, or it is called more than once.
    """
    names = [call.name for call in calls]
    places = [n for n, name in enumerate(names) if layer in (name, name.rpartition("/")[2])]
    if layer is None and calls:
        return len(calls) - 1
    if not places:
        available = ", ".join(sorted({*names})) or "none"
        raise ValueError(f"{function}: no recurrent layer {layer!r}; there are: {available}")
    if len(places) > 1:
        raise ValueError(f"{function}: layer {layer!r} is called {len(places)} times, not once")
    return places[0]
