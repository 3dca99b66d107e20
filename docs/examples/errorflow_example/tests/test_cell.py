"""`watch` finds the equations of the cell by the entry point, and they are those of its `call`."""

import keras
import numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import watch
from errorflow_example.cell import ForgetGateCell

X = np.random.default_rng(0).normal(size=[8, 6, 3]).astype("float32")


def test_the_error_at_every_step_is_recorded():
    rnn = keras.layers.RNN(ForgetGateCell(4), name="rnn")
    model = keras.Sequential([keras.Input((6, 3)), rnn, keras.layers.Dense(1)])
    before = model(X)
    model = watch(model)  # compares the equations with `call`: outputs, gradients and errors
    np.testing.assert_allclose(model(X), before, atol=1e-6)
    model.compile("adam", "mse")
    flow = ErrorFlow()
    model.fit(X, np.ones([8, 1]), epochs=2, verbose=0, callbacks=[flow])
    errors = flow.history["rnn"]["hidden"]
    assert np.shape(errors) == (2, 6)
    assert np.all(np.asarray(errors) > 0)
