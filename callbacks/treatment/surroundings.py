"""What trainings leave behind in a process, put back: random states, names and traced gradients."""

import contextlib
import copy
import gc
import inspect
import random
from collections import defaultdict
from collections.abc import Iterator

import keras
import numpy as np
from keras.src.backend.common import global_state  # not exported
from tensorflow.python.eager import context
from tensorflow.python.framework.ops import gradient_registry

_SEEDS = ("global_random_seed", "global_seed_generator")  # of Keras
_NAMES = "object_name_uids"
_TRACE = "CustomGradient-"  # and a number: the name of a `tf.custom_gradient` in a graph
_OF_A_STEP = (__name__.partition(".")[0], "tensorflow.python.distribute")  # modules


@contextlib.contextmanager
def kept_state() -> Iterator[None]:
    """Put random states, the counters of layers' names and the dtype policy back at the end."""
    python, of_numpy = random.getstate(), np.random.get_state()
    tensorflow = context.context()
    seed, generator = tensorflow._seed, tensorflow._rng if tensorflow._seed is not None else None
    of_keras = {name: global_state.get_global_attribute(name) for name in _SEEDS}
    names, policy = used_names(), keras.config.dtype_policy()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)
        tensorflow._seed, tensorflow._rng = seed, generator
        for name, value in of_keras.items():
            global_state.set_global_attribute(name, value)
        set_used_names(names)
        keras.config.set_dtype_policy(policy)


def used_names() -> defaultdict[str, int]:
    """Return how often Keras has given each name, from which it numbers further ones."""
    return copy.copy(global_state.get_global_attribute(_NAMES, defaultdict(int)))


def set_used_names(names: defaultdict[str, int]) -> None:
    """Let Keras give names as if it had given these."""
    global_state.set_global_attribute(_NAMES, copy.copy(names))


@contextlib.contextmanager
def freed_traces() -> Iterator[None]:
    """Free the gradients of errorflow's layers, and of sums over replicas, that are traced in here.

    TensorFlow registers the gradient of each `tf.custom_gradient` in a graph for the life of the
    process, and with it the graph, several MB for a recurrent layer. A model that was traced in
    this context cannot be trained further. Gradients of the reader's own functions stay.
    """
    before = {*gradient_registry.list()}
    try:
        yield
    finally:
        for name in [n for n in gradient_registry.list() if n not in before]:
            if name.startswith(_TRACE) and _is_of_a_step(gradient_registry.lookup(name)):
                del gradient_registry._registry[name]
        gc.collect()


def _is_of_a_step(gradient) -> bool:
    """Return whether a registered gradient is that of a layer here, or of TensorFlow's replicas."""
    while closure := inspect.getclosurevars(gradient).nonlocals:
        inner = closure.get("tape_grad_fn") or closure.get("grad_fn")
        if inner is None:
            break
        gradient = getattr(inner, "func", inner)  # of a functools.partial
    return gradient.__module__.startswith(_OF_A_STEP)
