"""The convolutional long short-term memory (Shi et al. 2015)."""

from typing import Any, ClassVar

import keras
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell as StockCell  # not exported

from .base import RecurrentLayer, VisibleCell
from .convolutions import Convolutions
from .lstm import LSTMEquations


def conv_lstm_equations(cell: StockCell) -> LSTMEquations:
    """Return the equations of a cell, Keras' or errorflow's; complete once the cell is built."""
    convolutions = Convolutions(
        tuple(getattr(cell, "spatial_dims", ())),
        cell.kernel_size,
        cell.strides,
        cell.padding,
        cell.dilation_rate,
    )
    return LSTMEquations(cell.activation, cell.recurrent_activation, convolutions)


class ConvLSTMCell(VisibleCell, StockCell):
    """The LSTM cell whose states are maps, with convolutions in place of the matrix products.

        i, f, o = σ(x_t * W_{i,f,o} + h_{t-1} * R_{i,f,o} + b_{i,f,o})
        g       = φ(x_t * W_g + h_{t-1} * R_g + b_g)
        c_t     = f ⊗ c_{t-1} + i ⊗ g
        h_t     = o ⊗ φ(c_t)

    Args:
        filters: H, the number of channels of h and c.
        rank: the number of axes of the map, 1 to 3.
        **kwargs: the other arguments of a `keras.layers.ConvLSTM2D`.
    """

    def __init__(self, filters: int, *, rank: int, **kwargs: Any):
        super().__init__(rank, filters=filters, **kwargs)
        self.state_size = [filters, filters]  # channels; Keras has -1 here, as if for one state

    @property
    def input_size(self) -> tuple[int, ...]:
        if self.data_format == "channels_last":
            return (*self.spatial_dims, self.input_dim)
        return (self.input_dim, *self.spatial_dims)

    def take_over(self, stock: Any) -> None:
        super().take_over(stock)
        self.spatial_dims, self.input_dim = stock.spatial_dims, stock.input_dim

    @property
    def equations(self) -> LSTMEquations:
        return conv_lstm_equations(self)


class _ConvLSTM(RecurrentLayer):
    """A ConvLSTM over maps with `rank` axes."""

    cell_class = ConvLSTMCell
    cell_name = "conv_lstm_cell"
    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, ...] = 1,
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            rank=self.rank,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            **kwargs,
        )
        self.filters = filters
        self.input_spec = keras.InputSpec(ndim=self.rank + 3)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps, *step = sequences_shape
        state = self.cell.compute_output_shape((batch, *step))[0]
        outputs = (batch, steps, *state[1:]) if self.return_sequences else state
        return (outputs, state, state) if self.return_state else outputs


@keras.saving.register_keras_serializable("errorflow")
class ConvLSTM1D(_ConvLSTM):
    """A ConvLSTM over sequences of rows [B, T, width, channels]; see `ConvLSTM2D`."""

    rank = 1


@keras.saving.register_keras_serializable("errorflow")
class ConvLSTM2D(_ConvLSTM):
    """An LSTM over sequences of images; `layer.error` has the error of every time step.

        i, f, o = σ(x_t * W_{i,f,o} + h_{t-1} * R_{i,f,o} + b_{i,f,o})
        g       = φ(x_t * W_g + h_{t-1} * R_g + b_g)
        c_t     = f ⊗ c_{t-1} + i ⊗ g
        h_t     = o ⊗ φ(c_t)

    where `*` is a convolution. h_t and c_t are maps [B, height, width, filters], and ‖δ_t(b)‖ is
    the norm of dE/dh_t(b) over the whole map and all channels.

    A drop-in replacement of `keras.layers.ConvLSTM2D`: weights, outputs and gradients are the same.

    Args:
        filters: the number of channels of h and c.
        kernel_size, strides, padding, dilation_rate: as in `keras.layers.ConvLSTM2D`.
        **kwargs: other arguments of `keras.layers.ConvLSTM2D`.

    Call arguments:
        sequences: [B, T, height, width, channels]; the size of the map must be known.
        mask, initial_state: as in `RecurrentLayer`, with states `[B, *map, filters]`.

    Raises:
        ValueError: an activation is not one that `activations.derivative` knows.

    Source: X. Shi et al.: Convolutional LSTM network, 2015.
    """

    rank = 2


@keras.saving.register_keras_serializable("errorflow")
class ConvLSTM3D(_ConvLSTM):
    """A ConvLSTM over sequences of volumes; see `ConvLSTM2D`."""

    rank = 3
