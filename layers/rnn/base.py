"""The base classes of recurrent cells and layers: Keras outside, equations and one loop inside."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import keras
import tensorflow as tf

from ..activations import derivative
from .carried_scale import CarriedScale
from .equations import Equations, StepOps, Weights
from .error_record import ErrorRecord
from .inner_loop import Part, run
from .time_loop import Fused, TimeLoop


class VisibleCell:
    """A mixin, listed before a Keras cell, that computes the step from `self.equations`.

    The cell also runs inside `keras.layers.RNN`, but only errorflow's layers show its error.

    Raises:
        ValueError: an activation is not one that `activations.derivative` knows.
    """

    def __init__(self, *size: int, **kwargs: Any):
        super().__init__(*size, **kwargs)  # pyright: ignore[reportCallIssue]
        # One dropout mask for all gates, where Keras draws one per gate if recurrent_dropout > 0.
        self.implementation = 2
        self.dropout_mask_count = None
        derivative(self.activation)
        derivative(getattr(self, "recurrent_activation", self.activation))

    @property
    def equations(self) -> Equations:
        """The equations of the cell, with its activations and options."""
        raise NotImplementedError

    def tensors(self) -> Weights:
        """Return the weights as tensors in the compute dtype.

        Call it in the forward pass: in the backward pass Keras' autocast scope has ended, and the
        same variable would be read as float32.
        """
        weights = self.kernel, self.recurrent_kernel, self.bias
        return Weights(
            *(None if w is None else tf.convert_to_tensor(w, self.compute_dtype) for w in weights)
        )

    @property
    def input_size(self) -> tuple[int, ...]:
        """The shape of x_t of one example; the cell must be built."""
        return (self.kernel.shape[0],)

    def take_over(self, stock: Any) -> None:
        """Use the Variables of a stock cell with the same options: weights and dropout seed."""
        for name in Weights._fields:
            _share(self, name, getattr(stock, name))
        self.seed_generator.state = stock.seed_generator.state
        self.built = True

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        states = states if isinstance(states, list | tuple) else (states,)
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        dropout = None
        if training and self.recurrent_dropout:
            dropout = self.get_recurrent_dropout_mask(states[0])
        equations, weights = self.equations, self.tensors()
        z = equations.input_product(inputs[None], weights)[0]
        ops = StepOps(dropout, linear=equations.linear)
        state, _ = equations.forward(z, equations.state(*states), weights, ops)
        return state.hidden, [*state]


def _share(cell, name, variable):
    """Make `variable` a weight of `cell`.

    Keras lists a variable as trainable or not by its state at the time of the assignment.
    """
    if variable is None:
        setattr(cell, name, None)
        return
    trainable = variable.trainable
    variable.trainable = True
    setattr(cell, name, variable)
    variable.trainable = trainable


class Loop(Protocol):
    """The loop over time of a layer: a `TimeLoop`, or a function that takes its place."""

    def __call__(
        self,
        equations: Equations,
        x: Any,
        initial: Any,
        weights: Weights,
        record: ErrorRecord,
        *,
        mask: Any,
        recurrent_dropout: Any,
        return_sequences: bool,
        backwards: bool,
        training: bool | None,
        carried_scale: CarriedScale | None,
    ) -> tuple[Any, Any]:
        """Return h [B, T, H] or None, and the last state; see `unroll`.

        Args:
            training: that of the layer's call; None if nobody passed it.
            carried_scale: what scales the error that is carried back; None: nothing does.
        """
        ...


class RecurrentLayer(keras.layers.RNN):
    """A cell over a sequence, with the error of every time step in `layer.error`.

    Args:
        units: H, the size of the state.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: as in
            `keras.layers.RNN`.
        fused: "auto" runs a call by cuDNN if it is on a GPU and cuDNN does what the layer does;
            False never, True always: see `TimeLoop`. Keras then compiles a model with this layer
            without XLA, as with its own layers that use cuDNN.
        truncate: k, for truncated back-propagation through time; None for all of it. The sequence
            is divided into chunks of k steps, counted back from the last valid step of each
            example, and the recurrence carries no error from a chunk into the one before it. So the
            error of the last step reaches the last k steps. The first chunk, which may be shorter,
            passes its error on to the initial state; k ≥ T cuts nothing. Outputs and states are
            those of full BPTT. See `truncated.py` for what it saves. Source: Williams & Peng 1990.
        name, dtype, trainable, activity_regularizer: as in any Keras layer.
        **cell: the arguments of the cell: activation, use_bias, initializers, dropout, …

    Call arguments:
        sequences: [B, T, D].
        mask: [B, T] bool; a masked step copies the state before it.
        initial_state: list of [B, H].

    Attributes:
        error: an `ErrorRecord`, filled by each backward pass; None until the layer is built.
        loop: the loop over time, a `TimeLoop`. `loop.latest` says which one the latest call used,
            and why.

    Raises:
        ValueError: `fused` is True, and cuDNN does not support an option of the layer; `truncate`
            is not a number of steps.
    """

    cell_class: type
    cell_name: str  # part of the weights' paths, the same as in Keras
    loop: Loop

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        fused: Fused = "auto",
        truncate: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
        **cell: Any,
    ):
        super().__init__(
            self.cell_class(units, name=self.cell_name, dtype=dtype, trainable=trainable, **cell),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            zero_output_for_mask=zero_output_for_mask,
            name=name,
            dtype=dtype,
            trainable=trainable,
            activity_regularizer=activity_regularizer,
        )
        self.input_spec = keras.InputSpec(ndim=3)
        if truncate is not None and (type(truncate) is not int or truncate < 1):
            raise ValueError(f"truncate: expected a number of steps from 1 on, got {truncate!r}")
        self.units, self.fused, self.truncate = units, fused, truncate
        self.error: ErrorRecord | None = None
        options = self.cell.equations, self.cell.recurrent_dropout, truncate
        self.loop = TimeLoop(fused)
        self.loop.check(self.name, *options)
        self.supports_jit = self.loop.allows_xla(*options)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.error = ErrorRecord(has_cell=len(self.state_size) == 2)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
    ) -> Any:
        steps = sequences.shape[1]
        if training or steps or (steps is None and mask is None):
            return super().call(sequences, initial_state, mask, training)
        # There may be no step, as in a batch of empty texts: then the loop runs over a masked one.
        mask = tf.ones(tf.shape(sequences)[:2], tf.bool) if mask is None else mask
        padded = [_one_step_at_least(tensor) for tensor in (sequences, mask)]
        outputs = super().call(padded[0], initial_state, padded[1], training)
        if not self.return_sequences:
            return outputs
        outputs, *states = outputs if self.return_state else (outputs,)
        outputs = outputs[:, : tf.shape(sequences)[1]]
        return (outputs, *states) if self.return_state else outputs

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = None
    ) -> tuple[Any, Any, list[Any]]:
        """Return the last output, all outputs and the last states: the hook of `RNN`."""
        assert self.error is not None  # `build` has run
        part = Part(self, self.cell, self.cell.equations, self.cell.tensors())
        output, outputs, (last,) = run(self, [part], sequences, [initial_state], mask, training)
        return output, outputs, [*last]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"], config["unroll"]
        own = {"name", "dtype", "trainable"}
        cell = {k: v for k, v in self.cell.get_config().items() if k not in own}
        truncate = {} if self.truncate is None else {"truncate": self.truncate}
        return {**cell, **config, "fused": self.fused, **truncate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RecurrentLayer":
        return cls(**config)


@contextlib.contextmanager
def loop_replaced(part: Any, loop: Loop) -> Iterator[None]:
    """Within the context, use another loop over time in a part of a model that shows its error."""
    own = vars(part).get("loop")
    part.loop = loop
    try:
        yield
    finally:
        del part.loop
        if own is not None:
            part.loop = own


def _one_step_at_least(tensor):
    """Return a tensor [B, T, …] unchanged or, if T is 0, with one step of zeros."""
    shape = tf.shape(tensor)
    missing = tf.concat([shape[:1], [tf.maximum(1 - shape[1], 0)], shape[2:]], axis=0)
    padded = tf.concat([tensor, tf.zeros(missing, tensor.dtype)], axis=1)
    padded.set_shape([tensor.shape[0], None, *tensor.shape[2:]])
    return padded
