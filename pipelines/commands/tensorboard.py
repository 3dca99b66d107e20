"""`errorflow tensorboard`: TensorBoard on the run folders, reachable from this machine only."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

from ..core.config import Section
from ..core.errors import UserError, require
from ..core.flags import parse_flags

SAMPLES = 1_000  # tensors loaded for the tab; the default for unknown plugins is 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorBoardConfig(Section):
    """Open TensorBoard on the runs."""

    run_dir: Path = Path("runs")
    """Folder of all runs, or of one run."""
    port: int = 6006
    """Port on 127.0.0.1; 0: any free one."""


def command(flags: list[str]) -> None:
    """Run TensorBoard until Ctrl-C."""
    config = parse_flags(TensorBoardConfig, flags, "errorflow tensorboard")
    require(0 <= config.port < 65536, "port", "from 0 to 65535", config.port)
    if not config.run_dir.is_dir():
        raise UserError(f"--run-dir {config.run_dir}: no such folder; train something first")
    from ...callbacks.recording.blocks import PLUGIN

    options = [f"--logdir={config.run_dir}", "--host", "127.0.0.1", "--port", str(config.port)]
    options += ["--samples_per_plugin", f"{PLUGIN}={SAMPLES}"]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    # -P: no module is imported from the current folder, which may be somebody else's run.
    command = [sys.executable, "-P", "-m", "tensorboard.main", *options]
    code = subprocess.call(command, env=quiet)
    if code:
        raise UserError(f"TensorBoard ended with code {code}; is port {config.port} in use?")
