"""An optimization barrier that prevents slow fusions by XLA on CPU."""

from collections.abc import Callable
from typing import Any

from .equations import identity

try:
    from tensorflow.compiler.tf2xla.ops import gen_xla_ops
except ImportError:  # this TensorFlow release has moved it: programs are slower, but correct
    gen_xla_ops: Any = None


def barrier(compiled: bool) -> Callable[[Any], Any]:
    """Return the barrier for a program that XLA compiles, or the identity for one it does not."""
    return _xla_barrier if compiled and gen_xla_ops else identity


def _xla_barrier(tensors: Any) -> Any:
    """Return the tensors (one, or a tuple or list of them) behind an optimization barrier.

    On CPU, XLA turns slices and concatenations of gates that are fused with arithmetic into scalar
    loops, and computes them twice. Barriers around them make these kernels four times faster.
    """
    if isinstance(tensors, tuple | list):
        return gen_xla_ops.xla_optimization_barrier(list(tensors))
    return gen_xla_ops.xla_optimization_barrier([tensors])[0]
