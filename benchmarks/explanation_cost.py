"""How many training steps does it take to explain a batch of 8 predictions?

    python benchmarks/explanation_cost.py    # LSTM, B=64, T=100, D=64, H=128; ResNet-20, B=64

The script prints (seconds of `saliency` or `grad_cam` on 8 examples) / (seconds of a training step
in `fit`), median and quartiles over rounds in which explanations and training take turns. The
explanations run without XLA, operation by operation.
"""

import argparse
import os
import statistics

import turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, STEPS, WIDTH, UNITS, CLASSES = 64, 100, 64, 128, 10
EXAMPLES = 8  # that are explained
TRAINING_STEPS = 10  # between explanations


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    rounds = parser.parse_args().rounds
    import keras
    from errorflow.layers import LSTM, grad_cam, saliency
    from errorflow.pipelines.models import build

    lstm = keras.Sequential(
        [keras.Input((STEPS, WIDTH)), LSTM(UNITS), keras.layers.Dense(CLASSES, "softmax")]
    )
    resnet = build("resnet20", (32, 32, 3), CLASSES)
    cases = {
        "LSTM": (lstm, (STEPS, WIDTH), {"saliency": saliency}),
        "ResNet-20": (resnet, (32, 32, 3), {"saliency": saliency, "grad_cam": grad_cam}),
    }
    for name, (model, shape, functions) in cases.items():
        for function, values in measured(model, shape, functions, rounds).items():
            low, median, high = statistics.quantiles(values, n=4)
            print(f"{name:10} {function:9} {median:5.1f} training steps ({low:.1f} to {high:.1f})")


def measured(model, shape, functions, rounds):
    """Return the ratios of each function, one for each round."""
    import keras
    import numpy as np
    import tensorflow as tf

    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    x = random.standard_normal((BATCH, *shape), dtype="float32")
    y = random.integers(0, CLASSES, BATCH)
    data = tf.data.Dataset.from_tensors((x, y)).cache().repeat(TRAINING_STEPS)

    def train():
        model.fit(data, verbose=0, shuffle=False)

    explanations = {
        name: lambda function=function: function(model, x[:EXAMPLES])
        for name, function in functions.items()
    }
    for function in (train, *explanations.values()):
        function()  # trace and compile
    ratios = {name: [] for name in explanations}
    for _ in range(rounds):
        step = turns.seconds(train)[0] / TRAINING_STEPS
        for name, explain in explanations.items():
            ratios[name].append(turns.seconds(explain)[0] / step)
    return ratios


if __name__ == "__main__":
    main()
