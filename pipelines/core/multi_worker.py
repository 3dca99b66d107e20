"""MultiWorkerMirroredStrategy as Keras 3.15 needs it.

Keras 3.15 asks `tf.distribute.MultiWorkerMirroredStrategy` for what it refuses:

* To build a model, Keras asks for the mean of a whole batch, a structure of tensors of any kind
  (ray-project/ray#47464). Only its shapes and types matter.
* After each step, it asks for the mean of each figure, a scalar, along axis 0
  (tensorflow/tensorflow#72388, keras-team/keras#20585).
* With `steps_per_execution`, it calls the step, a function, inside a branch of a loop. TensorFlow
  gives each exchange a new key whenever a function is called, but cannot do so in a branch.

The strategy here grants all three, by its own methods and objects only. Import this module only to
train with several workers. A release of Keras that does without makes the subclass unnecessary.
"""

import os
import warnings
from typing import Any

import keras
import tensorflow as tf

from .cluster import Cluster
from .worker_failures import start_together

WRITTEN_FOR = "3.15"
NO_PROXY = "no_grpc_proxy"  # environment variable of gRPC: hosts that it reaches without a proxy


class MultiWorkerStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """A synchronous training on several workers, with `keras.Model.fit`.

        strategy = MultiWorkerStrategy()  # of the workers in TF_CONFIG
        with strategy.scope():
            model = ...
            model.compile(...)
        model.fit(...)

    Create it before the first operation of TensorFlow: it waits until all workers have done so.

    Args: as those of `tf.distribute.MultiWorkerMirroredStrategy`.

    Attributes:
        cluster: the workers, if `make_strategy` has made it.
    """

    cluster = Cluster()

    def __init__(self, *args: Any, **kwargs: Any):
        if not keras.__version__.startswith(f"{WRITTEN_FOR}."):
            warnings.warn(
                f"{type(self).__name__} was written for Keras {WRITTEN_FOR}, and may be"
                f" unnecessary or insufficient with Keras {keras.__version__}",
                stacklevel=2,
            )
        super().__init__(*args, **kwargs)
        extended: Any = self.extended
        for operations in (extended._cross_device_ops, extended._host_cross_device_ops):
            for launcher in getattr(operations, "_launchers", ()):
                _keep_keys_in_branches(launcher)

    def reduce(self, reduce_op: Any, value: Any, axis: Any = None) -> Any:
        """Reduce a value over all replicas; a structure becomes that of the first local replica.

        A scalar has no axis 0, so that its reduction over the replicas is all that there is.
        """
        if isinstance(value, tuple | list | dict):
            return tf.nest.map_structure(self._first, value)
        if axis == 0 and self._first(value).shape.rank == 0:
            axis = None
        return super().reduce(reduce_op, value, axis)

    def _first(self, value: Any) -> Any:
        return self.experimental_local_results(value)[0]


def _keep_keys_in_branches(launcher: Any) -> None:
    """Let a function that is called in a branch or a loop keep the keys of its exchanges.

    They are then chosen when the function is traced, which all workers do in the same order.
    """
    has_new_keys = launcher._use_unique_instance_key
    launcher._use_unique_instance_key = lambda: has_new_keys() and not _is_called_in_control_flow()


def _is_called_in_control_flow() -> bool:
    """Return whether the function that is traced is called in a branch or a loop."""
    graph = tf.compat.v1.get_default_graph()
    while getattr(graph, "is_control_flow_graph", False):
        graph = graph.outer_graph  # TensorFlow copes with control flow within the function
    while graph := getattr(graph, "outer_graph", None):
        if getattr(graph, "is_control_flow_graph", False):
            return True
    return False


def make_strategy(cluster: Cluster, gpus: int) -> MultiWorkerStrategy:
    """Return the strategy of a cluster, in which each worker has the same number of GPUs.

    Raises:
        WorkerLost: a worker has not started, or cannot be reached.
        UserError: this process cannot be a worker.
    """
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": [*cluster.workers]}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    _bypass_proxy(cluster)
    strategy = start_together(lambda: MultiWorkerStrategy(resolver), cluster)
    strategy.cluster = cluster
    return strategy


def _bypass_proxy(cluster: Cluster) -> None:
    """Let the workers reach each other directly: with http_proxy, gRPC asks a proxy for them."""
    hosts = {address.rpartition(":")[0] for address in cluster.workers}
    others = os.environ.get(NO_PROXY) or os.environ.get("no_proxy")
    os.environ[NO_PROXY] = ",".join([*filter(None, [others]), *sorted(hosts)])
