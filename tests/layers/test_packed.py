"""Inference over masked sequences computes the valid steps only."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from cases import LSTM, MASKS, B, D, H, T, problem
from errorflow.layers.rnn.equations import HiddenState, Weights
from errorflow.layers.rnn.error_record import ErrorRecord
from errorflow.layers.rnn.simple_rnn import SimpleRNNEquations
from errorflow.layers.rnn.unroll import unroll


def test_inference_computes_each_valid_step_once():
    computed = tf.Variable(0, trainable=False)

    @dataclass(frozen=True)
    class Counted(SimpleRNNEquations):
        def forward(self, z, before, weights, ops):
            with tf.control_dependencies([computed.assign_add(tf.shape(z)[0])]):
                return super().forward(tf.identity(z), before, weights, ops)

    mask = MASKS["holes"]
    unroll(
        Counted(keras.activations.tanh),
        tf.ones([B, T, D]),
        HiddenState(tf.zeros([B, H])),
        Weights(tf.ones([D, H]), tf.ones([H, H]), None),
        ErrorRecord(has_cell=False),
        mask=tf.constant(mask[:, :, None]),
        recurrent_dropout=None,
        return_sequences=True,
        backwards=False,
        compiled=False,
    )
    assert int(computed) == mask.sum()


def test_inference_is_the_same_in_a_function_that_xla_compiles():
    p, valid = problem(LSTM), tf.constant(MASKS["holes"])
    layer = LSTM.make(return_sequences=True)
    layer.build(p.x.shape)
    layer.set_weights(p.weights)
    compiled = tf.function(lambda x: layer(x, mask=valid), jit_compile=True)(p.x)
    np.testing.assert_allclose(compiled, layer(p.x, mask=valid), atol=1e-6)
