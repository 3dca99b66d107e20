"""Start TensorFlow for a run: without messages, on the chosen devices, in the chosen precision."""

import contextlib
import ctypes.util
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from .cluster import Cluster
from .compiled_programs import keep_programs
from .config import Hardware, TrainingConfig
from .errors import UserError
from .shell import shell_word

# Numbers of glibc's malloc.h: trim threshold, top pad, mmap threshold, arenas.
_MALLOPT = {-1: 2**31 - 1, -2: 2**26, -3: 2**25, -8: 1}


def load_tensorflow() -> Any:
    """Import TensorFlow without its start-up messages, which are shown only if the import fails.

    Keras' default data format becomes "channels_last", as all models and data here have, and the
    memory of a GPU is taken as it is needed. TF_XLA_FLAGS, which processes started from here
    inherit, says where compiled programs are kept.

    Set TF_CPP_MIN_LOG_LEVEL=0 to see them all. On a CPU, oneDNN computes the convolutions.
    TensorFlow enables oneDNN only on processors with instructions for neural networks, but on
    processors with AVX2 alone, too, it reduces the time of convolutions, to 40 to 90 %.
    TF_ENABLE_ONEDNN_OPTS=0 disables oneDNN, and so does --strategy mirrored.
    """
    _choose_backend()
    keep_programs()
    tf = _import_quietly()
    import keras

    keras.config.set_image_data_format("channels_last")
    _let_memory_grow(tf)
    return tf


def _let_memory_grow(tf: Any) -> None:
    """Take the memory of a GPU as it is needed, so that other processes can use the same GPU.

    A program that has already used or divided its GPUs keeps its own choice.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _import_quietly() -> Any:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors also come as exceptions
    if level == "0" or "tensorflow" in sys.modules:
        import tensorflow as tf

        return tf
    with stderr_held_back(), _no_garbage_collection():
        import keras  # noqa: F401 - prints its own messages when it is loaded
        import tensorflow as tf

        tf.config.list_physical_devices()  # the first query prints messages too
    tf.get_logger().setLevel("ERROR")
    from absl import logging  # comes with TensorFlow; warns of TFDS' own code, and of exports

    logging.set_verbosity(logging.ERROR)
    return tf


def _choose_backend() -> None:
    """Let Keras run on TensorFlow, whatever KERAS_BACKEND and keras.json select.

    Raises:
        UserError: Keras has been imported already, with another backend.
    """
    loaded = getattr(sys.modules.get("keras"), "config", None)
    if loaded is None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif (backend := loaded.backend()) != "tensorflow":
        raise UserError(
            f"errorflow needs Keras on TensorFlow, but Keras was imported with the backend"
            f" {backend}: set KERAS_BACKEND=tensorflow and restart Python"
        )


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors, up to 32 MB each, for the next ones.

    By default glibc returns the memory to the system after each operation, and the system fills
    every page with zeros again before the next tensor uses it. Keeping the memory saves a fifth of
    the processor time of a training step with convolutions. Environment variables of glibc take
    precedence.

    Call this function after TensorFlow has set up its devices. Under Python 3.11, TensorFlow's
    first data generator lowers the limit to 128 KB, once; therefore one runs here first.
    """
    libc = ctypes.util.find_library("c") if sys.platform == "linux" else None
    mallopt = getattr(ctypes.CDLL(libc), "mallopt", None) if libc else None
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    import tensorflow as tf

    for _ in tf.data.Dataset.from_generator(lambda: (), output_signature=tf.TensorSpec([])):
        pass
    for option, value in _MALLOPT.items():
        mallopt(option, value)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Let Python collect no garbage: that takes a fifth of an import, and frees nothing."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()


@contextlib.contextmanager
def stderr_held_back() -> Iterator[None]:
    """Hold back what C++ code writes to file descriptor 2; show it if the block raises."""
    sys.stderr.flush()
    true_stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            kept.seek(0)
            os.write(true_stderr, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(true_stderr, 2)
            os.close(true_stderr)


def start(hardware: Hardware, cluster: Cluster) -> Any:
    """Set the devices before the first operation; return the strategy.

    Args:
        hardware: the settings.
        cluster: the cluster of `hardware.strategy`; several workers wait for each other here.

    Raises:
        UserError: the requested device does not exist.
    """
    if hardware.strategy == "mirrored":
        # With oneDNN the second replica's convolutions fail on a CPU (TensorFlow 2.21). The
        # variable is overwritten because a search has set it for the processes that it starts.
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    tf = load_tensorflow()
    gpus = _choose_gpus(tf, hardware.device)
    strategy = _make_strategy(tf, hardware, cluster, len(gpus))
    keep_freed_memory()
    return strategy


def _make_strategy(tf: Any, hardware: Hardware, cluster: Cluster, gpus: int) -> Any:
    if cluster.size > 1:
        from .multi_worker import make_strategy

        return make_strategy(cluster, gpus)
    if hardware.strategy != "mirrored" and (hardware.strategy == "none" or gpus < 2):
        return tf.distribute.get_strategy()
    if not gpus:
        _split_cpu(tf)
    with stderr_held_back():
        kind = "GPU" if gpus else "CPU"
        return tf.distribute.MirroredStrategy(
            [d.name for d in tf.config.list_logical_devices(kind)]
        )


def set_precision(hardware: Hardware) -> None:
    """Set the precision of the layers that are created from now on."""
    import keras

    precision = hardware.mixed_precision
    policy = "float32" if precision == "off" else f"mixed_{precision}"
    keras.mixed_precision.set_global_policy(policy)


def set_seed(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and TensorFlow."""
    import keras

    keras.utils.set_random_seed(seed)


def _split_cpu(tf: Any) -> None:
    """Split the processor into two devices, to try out training on several GPUs."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) < 2:
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)


def _choose_gpus(tf: Any, device: str) -> list[Any]:
    """Make only the chosen GPUs visible, and return them."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return []
    if device == "auto":
        return gpus
    if not gpus:
        raise UserError(f"--device {device}: TensorFlow sees no GPU here; use --device cpu")
    if device == "gpu":
        return gpus
    number = int(device.removeprefix("gpu:"))
    if number >= len(gpus):
        raise UserError(
            f"--device {device}: there are {len(gpus)} GPUs, gpu:0 to gpu:{len(gpus) - 1}"
        )
    tf.config.set_visible_devices(gpus[number], "GPU")
    return [gpus[number]]


def describe(config: TrainingConfig, strategy: Any) -> dict[str, Any]:
    """Return the software, devices and precision of a run, for environment.json."""
    import platform

    import keras
    import numpy as np
    import tensorflow as tf

    return {
        "command": " ".join(map(shell_word, sys.argv)),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__}
        | {"numpy": np.__version__, "errorflow": version()},
        "devices": _device_names(tf),
        "replicas": strategy.num_replicas_in_sync,
        "precision": keras.mixed_precision.global_policy().name,
        "jit": config.hardware.jit,
        "seed": config.optimisation.seed,
    }


def version() -> str:
    """Return the installed version of errorflow."""
    from importlib.metadata import version

    return version("errorflow")


def _device_names(tf: Any) -> list[str]:
    details = tf.config.experimental.get_device_details
    visible = tf.config.get_visible_devices()
    return [
        details(d).get("device_name", d.name) if d.device_type == "GPU" else "CPU" for d in visible
    ]


def in_one_line(environment: dict[str, Any]) -> str:
    """Return the line about software and devices that is printed at the start of a run."""
    versions = environment["versions"]
    devices = " + ".join(environment["devices"])
    replicas = f" × {environment['replicas']} replicas" if environment["replicas"] > 1 else ""
    return (
        f"TensorFlow {versions['tensorflow']}, Keras {versions['keras']} on {devices}"
        f" ({environment['cpus']} cores){replicas}, {environment['precision']},"
        f" jit {environment['jit']}, seed {environment['seed']}"
    )
