"""MultiWorkerMirroredStrategy as Keras 3.15 needs it.

Keras 3.15 asks `tf.distribute.MultiWorkerMirroredStrategy` for two reductions that it refuses:

* To build a model, it asks for the mean of a whole batch, a structure of tensors of any kind
  (ray-project/ray#47464). Only its shapes and types matter.
* After each step, it asks for the mean of each figure, a scalar, along axis 0
  (tensorflow/tensorflow#72388, keras-team/keras#20585).

The strategy here grants both; everything else is TensorFlow's. Import this module only to train
with several workers. A release of Keras that asks for neither makes the subclass unnecessary.
"""

import warnings
from typing import Any

import keras
import tensorflow as tf

from .cluster import Cluster
from .worker_failures import start_together

WRITTEN_FOR = "3.15"


class MultiWorkerStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """A synchronous training on several workers, with `keras.Model.fit`.

        strategy = MultiWorkerStrategy()  # of the workers in TF_CONFIG
        with strategy.scope():
            model = ...
            model.compile(...)
        model.fit(...)

    Create it before the first operation of TensorFlow: it waits until all workers have done so.

    Args: as those of `tf.distribute.MultiWorkerMirroredStrategy`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        if not keras.__version__.startswith(f"{WRITTEN_FOR}."):
            warnings.warn(
                f"{type(self).__name__} was written for Keras {WRITTEN_FOR}, and may be"
                f" unnecessary or insufficient with Keras {keras.__version__}",
                stacklevel=2,
            )
        super().__init__(*args, **kwargs)

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
    return start_together(lambda: MultiWorkerStrategy(resolver), cluster)
