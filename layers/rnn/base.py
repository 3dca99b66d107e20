"""What the recurrent layers share: cells stated as equations, run by the one loop through time."""

import keras
import tensorflow as tf

from ..activations import slope
from .error_record import ErrorRecord
from .unroll import identity, unroll


class VisibleCell:
    """Mixin, put before a Keras cell: its step is given by `self.equations`.

    The cell also runs inside `keras.layers.RNN`; its error is visible only inside our layers.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)  # pyright: ignore[reportCallIssue]
        # One dropout mask for all gates, where Keras draws one per gate if recurrent_dropout > 0.
        self.implementation = 2
        self.dropout_mask_count = None
        slope(self.activation)
        slope(getattr(self, "recurrent_activation", self.activation))

    def tensors(self):
        """(kernel, recurrent_kernel, bias or None) in the compute dtype of the moment.

        Read here, once: in the backward pass Keras' autocast scope is over, and the same variable
        would come out as float32.
        """
        weights = self.kernel, self.recurrent_kernel, self.bias
        return tuple(
            None if w is None else tf.convert_to_tensor(w, self.compute_dtype) for w in weights
        )

    def call(self, inputs, states, training=False):
        states = tuple(states) if isinstance(states, list | tuple) else (states,)
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        keep = identity
        if training and self.recurrent_dropout:
            mask = self.get_recurrent_dropout_mask(states[0])
            keep = lambda h: h * mask  # noqa: E731
        weights = self.tensors()
        z = self.equations.input_product(inputs[None], weights)[0]
        states, _ = self.equations.forward(z, states, weights, keep, identity)
        return states[0], list(states)


class RecurrentLayer(keras.layers.RNN):
    """A cell over a sequence, with the error of every time step in `layer.error`.

    Args:
        units: H, the size of the state.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: as
            `keras.layers.RNN`.
        name, dtype, trainable, activity_regularizer: as any Keras layer.
        **cell: every argument of the cell: activation, use_bias, initializers, dropout, …

    Call arguments:
        sequences: [B, T, D]. mask: [B, T] bool. initial_state: list of [B, H].
        Masked steps copy the state before them.

    Attributes:
        error: an `ErrorRecord`, filled by each backward pass; None until the layer is built.
    """

    cell_class: type
    cell_name: str  # part of the weights' paths, the same as in Keras
    loop = staticmethod(unroll)  # `dissect` takes its place for one look at a model

    def __init__(
        self,
        units,
        *,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        zero_output_for_mask=False,
        name=None,
        dtype=None,
        trainable=True,
        activity_regularizer=None,
        **cell,
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
        self.units = units
        self.error = None

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        self.error = ErrorRecord(has_cell=len(self.state_size) == 2)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """The hook of `keras.layers.RNN`: → (last output, outputs, last states)."""
        cell, keep = self.cell, None
        if training and cell.dropout:
            sequences = sequences * cell.get_dropout_mask(sequences[:, 0])[:, None]
        if training and cell.recurrent_dropout:
            keep = cell.get_recurrent_dropout_mask(initial_state[0])
        if mask is not None:
            mask = tf.cast(mask, tf.bool)
            mask = mask[:, :, None] if len(mask.shape) == 2 else mask
        if self.go_backwards:
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else tf.reverse(mask, [1])
        hidden, states = self.loop(
            cell.equations,
            sequences,
            tuple(initial_state),
            cell.tensors(),
            self.error,
            mask=mask,
            keep=keep,
            return_sequences=self.return_sequences,
            backwards=self.go_backwards,
            compiled=bool(training),
        )
        outputs = states[0][:, None] if hidden is None else hidden
        if mask is not None:
            outputs = _silence(outputs, mask, self.zero_output_for_mask)
        return outputs[:, -1], outputs, list(states)

    def get_config(self):
        config = super().get_config()
        del config["cell"], config["unroll"]
        own = {"name", "dtype", "trainable"}
        return {**{k: v for k, v in self.cell.get_config().items() if k not in own}, **config}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _silence(outputs, mask, zero_output_for_mask):
    """Keras' outputs at masked steps: zero before the first valid step, or at all of them.

    Elsewhere a masked step repeats the output before it, as the scan does. outputs: [B, T, H], or
    the last step alone, [B, 1, H]; mask: [B, T, 1].
    """
    if not zero_output_for_mask:
        mask = tf.math.cumsum(tf.cast(mask, tf.int32), axis=1) > 0
    speaks = mask if outputs.shape[1] != 1 else mask[:, -1:]
    return tf.where(speaks, outputs, tf.zeros_like(outputs))
