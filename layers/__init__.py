"""What a model is made of.

Recurrent layers that show the error they receive at every time step, and the blocks of the
convolutional networks from LeNet-5 to ResNet.
"""

from . import beam_search as beam_search  # these two register what a saved model may name
from . import words as words
from .activations import ScaledTanh as ScaledTanh
from .activations import leaky_relu as leaky_relu
from .chrono import Chrono as Chrono
from .convolution import ConvUnit1D as ConvUnit1D
from .convolution import ConvUnit2D as ConvUnit2D
from .convolution import LocalResponseNormalization as LocalResponseNormalization
from .dissect import per_step_gradients as per_step_gradients
from .error_matrix import error_matrix as error_matrix
from .gru import GRU as GRU
from .gru import GRUCell as GRUCell
from .horizon import horizon as horizon
from .inception import AuxiliaryClassifier as AuxiliaryClassifier
from .inception import InceptionBlock as InceptionBlock
from .lenet import PartialConvolution as PartialConvolution
from .lenet import RadialBasis as RadialBasis
from .lenet import Subsampling as Subsampling
from .lstm import LSTM as LSTM
from .lstm import LSTMCell as LSTMCell
from .residual import BottleneckBlock as BottleneckBlock
from .residual import ResidualBlock as ResidualBlock
from .simple_rnn import SimpleRNN as SimpleRNN
from .simple_rnn import SimpleRNNCell as SimpleRNNCell
from .watch import watch as watch
