"""Whether XLA compiles the function that is being traced."""

from typing import Any

import tensorflow as tf

try:
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
except ImportError:  # this TensorFlow release has moved it
    GraphOrParentsInXlaContext: Any = None


def may_be_compiled() -> bool:
    """Return whether XLA compiles what is added here; True if that is not known.

    XLA compiles neither the operations of cuDNN nor arrays whose sizes depend on data.
    """
    if GraphOrParentsInXlaContext is None:
        return True
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
