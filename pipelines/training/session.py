"""TensorFlow as a training needs it: devices, strategy, precision and seed."""

from typing import Any, NamedTuple

from ..core import devices
from ..core.cluster import training_cluster
from ..core.config import TrainingConfig
from ..core.console import note
from ..core.errors import UserError
from ..core.phases import phase


class Session(NamedTuple):
    """TensorFlow, started with the settings of a config."""

    strategy: Any  # a tf.distribute.Strategy
    environment: dict[str, Any]  # for environment.json


def start(config: TrainingConfig) -> Session:
    """Start TensorFlow, and print its version and devices.

    Raises:
        UserError: there is no such device, or the devices cannot share each batch evenly.
    """
    return make_session(config, start_tensorflow(config))


def start_tensorflow(config: TrainingConfig) -> Any:
    """Return the strategy; several workers wait for each other here."""
    cluster = training_cluster(config.hardware.strategy)
    waiting = " and waiting for the other workers" * (cluster.size > 1)
    with phase(f"loading TensorFlow{waiting}", after=0):
        return devices.start(config.hardware, cluster)


def make_session(config: TrainingConfig, strategy: Any) -> Session:
    """Set precision and seed, and print versions and devices.

    Raises:
        UserError: the devices cannot share each batch evenly.
    """
    size, count = config.optimisation.batch_size, strategy.num_replicas_in_sync
    examples = 1 if size == "online" else size
    if isinstance(examples, int) and examples % count:
        raise UserError(
            f"--batch-size {size}: {count} devices share each batch with --strategy"
            f" {config.hardware.strategy}; choose a multiple of {count}"
        )
    devices.set_precision(config.hardware)
    devices.set_seed(config.optimisation.seed)
    environment = devices.describe(config, strategy)
    note(devices.in_one_line(environment))
    return Session(strategy, environment)
