"""What a model is made of: recurrent layers that show the error they receive at every time step."""

from .activations import ScaledTanh as ScaledTanh
from .activations import leaky_relu as leaky_relu
from .dissect import per_step_gradients as per_step_gradients
from .error_matrix import error_matrix as error_matrix
from .gru import GRU as GRU
from .gru import GRUCell as GRUCell
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .simple_rnn import SimpleRNN as SimpleRNN
from .simple_rnn import SimpleRNNCell as SimpleRNNCell
from .watch import watch as watch
