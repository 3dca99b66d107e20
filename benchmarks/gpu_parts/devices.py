"""Which GPU, driver and versions are these, and does TensorFlow compute on the GPU at all?"""

import os
import platform
import shutil
import subprocess

from . import Failures, Form, Report

QUERY = "name,driver_version,memory.total,compute_cap"
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "XLA_FLAGS",
)


def run(form: Form) -> Report:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    figures = versions() | {"gpus": [details(gpu) for gpu in gpus], "nvidia_smi": nvidia_smi()}
    if not form.reduced and not gpus:
        return Report("", figures, [no_gpu(tf)])
    failures = Failures()
    for compiled in (False, True):
        with failures.guard("a product compiled by XLA" if compiled else "a matrix product"):
            check_product(tf, form.device, compiled)
    name = figures["gpus"][0].get("device_name", "GPU") if figures["gpus"] else "CPU"
    summary = f"{name}, TensorFlow {tf.__version__}, CUDA {figures['cuda_version']}"
    return Report(f"{summary}, cuDNN {figures['cudnn_version']}", figures, failures)


def versions():
    """Return the versions of all that takes part."""
    from importlib.metadata import version

    import keras
    import numpy as np
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "errorflow": version("errorflow"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "cuda_version": build.get("cuda_version"),
        "cudnn_version": build.get("cudnn_version"),
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def details(gpu):
    """Return TensorFlow's details of a GPU."""
    import tensorflow as tf

    return {"name": gpu.name, **tf.config.experimental.get_device_details(gpu)}


def nvidia_smi():
    """Return what nvidia-smi says of each GPU; None without it."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (process.stdout or process.stderr).strip().splitlines()


def no_gpu(tf):
    """Return why there is nothing to measure."""
    if not tf.test.is_built_with_cuda():
        return "this TensorFlow was built without CUDA: pip install 'tensorflow[and-cuda]'"
    return (
        "TensorFlow sees no GPU: see nvidia-smi, CUDA_VISIBLE_DEVICES, and install errorflow with "
        "pip install -e '.[gpu]'; --reduced runs every part on the CPU"
    )


def check_product(tf, device, compiled):
    """Compute a matrix product, which has to be on the device; XLA needs files of CUDA for it."""
    product = tf.function(lambda x: x @ x, jit_compile=compiled)(tf.ones([512, 512]))
    if not product.device.endswith(device):
        raise RuntimeError(f"computed on {product.device}, not on {device}")
    if float(product[0, 0]) != 512:
        raise RuntimeError(f"{float(product[0, 0])} in place of 512")
