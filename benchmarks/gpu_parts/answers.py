"""Print the probabilities of exported models; the request comes from stdin, as JSON."""

import json
import sys


def main():
    import errorflow.layers  # noqa: F401 - registers the layers that .keras files name
    import keras
    import numpy as np
    import tensorflow as tf

    request = json.load(sys.stdin)
    inputs, answers = tf.constant(np.load(request["inputs"])), {}
    for name, path in request["models"].items():
        is_keras = path.endswith(".keras")
        model = keras.models.load_model(path) if is_keras else tf.saved_model.load(path)
        results = (model if is_keras else model.serve)(inputs)
        answers[name] = results["probabilities"].numpy().tolist()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
