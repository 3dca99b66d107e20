"""The layers of errorflow.

Recurrent layers that show the error they receive at every time step, the blocks of the
convolutional networks from LeNet-5 to ResNet, and functions that analyse how the error flows.
"""

from . import backend as backend  # first: raises an ImportError unless Keras runs on TensorFlow
from . import empty_batch as empty_batch
from . import series as series  # this and text register layers that a saved model may name
from . import text as text
from .activations import ScaledTanh as ScaledTanh
from .activations import leaky_relu as leaky_relu
from .analysis.error_matrix import error_matrix as error_matrix
from .analysis.grad_cam import grad_cam as grad_cam
from .analysis.gradient_correlation import gradient_correlation as gradient_correlation
from .analysis.horizon import horizon as horizon
from .analysis.intervention_effect import intervention_effect as intervention_effect
from .analysis.lyapunov import lyapunov as lyapunov
from .analysis.per_step_gradients import per_step_gradients as per_step_gradients
from .analysis.saliency import saliency as saliency
from .convolutional.conv_unit import ConvUnit1D as ConvUnit1D
from .convolutional.conv_unit import ConvUnit2D as ConvUnit2D
from .convolutional.inception import AuxiliaryClassifier as AuxiliaryClassifier
from .convolutional.inception import InceptionBlock as InceptionBlock
from .convolutional.lenet import PartialConvolution as PartialConvolution
from .convolutional.lenet import RadialBasis as RadialBasis
from .convolutional.lenet import Subsampling as Subsampling
from .convolutional.local_response_normalization import (
    LocalResponseNormalization as LocalResponseNormalization,
)
from .convolutional.residual import BottleneckBlock as BottleneckBlock
from .convolutional.residual import ResidualBlock as ResidualBlock
from .rnn.cells import register_cell as register_cell
from .rnn.chrono import Chrono as Chrono
from .rnn.conv_lstm import ConvLSTM1D as ConvLSTM1D
from .rnn.conv_lstm import ConvLSTM2D as ConvLSTM2D
from .rnn.conv_lstm import ConvLSTM3D as ConvLSTM3D
from .rnn.forget_bias import ForgetBias as ForgetBias
from .rnn.gru import GRU as GRU
from .rnn.gru import GRUCell as GRUCell
from .rnn.intervene import intervene as intervene
from .rnn.lstm import LSTM as LSTM
from .rnn.lstm import LSTMCell as LSTMCell
from .rnn.simple_rnn import SimpleRNN as SimpleRNN
from .rnn.simple_rnn import SimpleRNNCell as SimpleRNNCell
from .rnn.watch import watch as watch
