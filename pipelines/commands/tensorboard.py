"""`errorflow tensorboard`: TensorBoard on the run folders, reachable from this machine only."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..core.config import Section
from ..core.errors import UserError, require
from ..core.flags import parse_flags

HELP = ("--help", "-h")
OTHER_DATA = ("logdir", "logdir_spec", "db", "db_import", "grpc_data_provider")
OTHER_USES = ("inspect", "event_file", "tag", "version_tb")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorBoardConfig(Section):
    """Open TensorBoard on the runs, until Ctrl-C; it prints the address of the tab Error Flow.

    All other flags are TensorBoard's own, such as --reload_interval 5 --path_prefix /runs, or
    --bind_all for other machines; `tensorboard --help` describes them.
    """

    run_dir: Path = Path("runs")
    """Folder of all runs, or of one run."""
    port: int = 6006
    """Port on 127.0.0.1; 0: any free one."""


def command(flags: Sequence[str]) -> NoReturn:
    """Become the process of TensorBoard: who ends this process leaves nothing behind.

    Raises:
        UserError: a bad flag.
        SystemExit: after `--help`.
    """
    own, others = ([*flags], []) if {*HELP} & {*flags} else _split(flags)
    config = parse_flags(TensorBoardConfig, own, "errorflow tensorboard")
    require(0 <= config.port < 65536, "port", "from 0 to 65535", config.port)
    if not config.run_dir.is_dir():
        raise UserError(f"--run-dir {config.run_dir}: no such folder; train something first")
    options = _options(config, others)
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    # -P: no module is imported from the current folder, which may be somebody else's run.
    words = [sys.executable, "-P", "-m", "errorflow.pipelines.inspector.process", *options]
    sys.stdout.flush()
    os.execve(sys.executable, words, quiet)


def _split(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags of this command, and those that only TensorBoard knows.

    Raises:
        UserError: a flag of TensorBoard that does not go together with this command.
    """
    arity, rest = _TensorBoardFlags().arity, [*flags]
    own: list[str] = []
    others: list[str] = []
    while rest:
        word, *rest = rest
        name, is_assigned, value = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not word.startswith("--") or name not in arity or name == "port":
            own.append(word)
            continue
        _check_fits(name)
        others.append(f"--{name}{is_assigned}{value}")
        if arity[name] and not is_assigned:
            others, rest = others + rest[:1], rest[1:]
    return own, others


def _check_fits(name: str) -> None:
    if name in OTHER_DATA:
        raise UserError(f"--{name}: errorflow tensorboard takes the folder as --run-dir instead")
    if name in OTHER_USES:
        raise UserError(f"--{name}: call tensorboard itself for that, errorflow shows the runs")


def _options(config: TensorBoardConfig, others: Sequence[str]) -> list[str]:
    """Return the flags for TensorBoard.

    Raises:
        UserError: it would not take them.
    """
    parser, passed = _TensorBoardFlags(), {word.split("=")[0] for word in others}
    options = [f"--logdir={config.run_dir}", f"--port={config.port}"]
    if not passed & {"--host", "--bind_all"}:
        options.append("--host=127.0.0.1")
    if "--reload_multifile" not in passed:  # Keras' own files and ours in one folder
        options.append("--reload_multifile=true")
    if not passed & {"--load_fast", "--detect_file_replacement"} and _has_fast_loader():
        options.append("--load_fast=true")  # "auto" does the same, and prints a note of four lines
    options += others
    parser.check(options)
    return options


def _has_fast_loader() -> bool:
    from tensorboard.data import server_ingester

    try:
        server_ingester.get_server_binary()
    except server_ingester.NoDataServerError:
        return False
    return True


class _TensorBoardFlags(argparse.ArgumentParser):
    """The flags of TensorBoard.

    Attributes:
        arity: for each flag, without its dashes, whether a value follows it.
    """

    def __init__(self):
        from tensorboard.plugins.core.core_plugin import CorePluginLoader

        super().__init__(add_help=False, allow_abbrev=False)
        self.arity: dict[str, bool] = {}
        self._loader = CorePluginLoader()
        self._loader.define_flags(self)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        action = super().add_argument(*args, **kwargs)
        for flag in action.option_strings:
            self.arity[flag.removeprefix("--")] = action.nargs != 0
        return action

    def check(self, options: Sequence[str]) -> None:
        """Raise a UserError if TensorBoard would not take these flags."""
        from tensorboard.plugins.base_plugin import FlagsError

        try:
            self._loader.fix_flags(self.parse_args(options))
        except FlagsError as error:
            raise UserError(str(error)) from None

    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))
