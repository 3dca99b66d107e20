"""The specification of a training."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import keras

from ..core.config import Optimisation
from ..core.run_folder import RunFolder
from .shares import Share


class TrainData(Protocol):
    """Batches to train on, reshuffled in each epoch.

    Attributes:
        size: the number of examples per batch.
        longest: the number of steps of the longest sequence; 1 if there are none.
        steps: the number of batches per epoch.
        epoch: the epoch whose order the next pass takes; `fit` sets it, also after a resume.
    """

    epoch: int
    size: int

    @property
    def longest(self) -> int: ...
    @property
    def steps(self) -> int: ...

    def dataset(self) -> Any:
        """Return one epoch of whole batches, a `tf.data.Dataset`."""
        ...

    def share(self, share: Share) -> Any:
        """Return the batches of each own replica in turn, a `tf.data.Dataset` without an end.

        It begins with the epoch `self.epoch`.
        """
        ...


def _no_callbacks(run: RunFolder) -> Sequence[keras.callbacks.Callback]:
    return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """A training: its network, data, loss, metrics and callbacks.

    Attributes:
        network: the model to train.
        serving_model: the model in best.keras: `network`, with the pre- and postprocessing that
            `predict` needs.
        train_data: the batches to train on.
        validation_data: a `tf.data.Dataset` of whole batches, see `validation_edges`.
        loss, metrics, loss_weights, weighted_metrics: as `keras.Model.compile` takes them.
        monitor: the figure that decides which epoch is best; `mode` is "max" or "min".
        is_recurrent: whether error flows through time in the network.
        joined: layers that share a time axis, as `ErrorFlow` takes them.
        jit: what `--jit auto` means for this network.
        sample_predictions: predictions of some examples, as rows, for TensorBoard's Text tab.
        gates_batch: a batch of inputs, on which the gates of LSTMs and GRUs are recorded.
        callbacks: function that returns the task's own callbacks for a run.
        pretrain: function that trains parts of the network before the first epoch.
        optimisation: settings that are fitted to the data, in place of those of the config; None:
            those of the config.
        warmup: number of steps in which the learning rate rises to its value, unless the settings
            have a warm-up.
    """

    network: keras.Model
    serving_model: keras.Model
    train_data: TrainData
    validation_data: Any
    loss: Any
    metrics: Any
    monitor: str
    mode: Literal["max", "min"] = "max"
    loss_weights: Any = None
    weighted_metrics: Any = None
    is_recurrent: bool = True
    joined: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    jit: Any = "auto"
    sample_predictions: Callable[[], list[dict[str, Any]]] | None = None
    gates_batch: Any = None
    callbacks: Callable[[RunFolder], Sequence[keras.callbacks.Callback]] = _no_callbacks
    pretrain: Callable[[], None] | None = None
    optimisation: Optimisation | None = None
    warmup: int = 0
