"""The process that `errorflow tensorboard` becomes: TensorBoard, which prints one line.

python -m errorflow.pipelines.inspector.process --logdir runs --host 127.0.0.1 --port 6006
"""

import sys
from collections.abc import Sequence
from typing import Any

from tensorboard import default, program

from ...callbacks.recording.blocks import PLUGIN
from ..core.console import complain
from ..core.devices import load_tensorflow
from ..core.errors import UserError


class _Server(program.WerkzeugServer):
    """TensorBoard's server, with the address of the Error Flow tab."""

    def __init__(self, wsgi_app: Any, flags: Any):
        try:
            super().__init__(wsgi_app, flags)
        except program.TensorBoardPortInUseError:
            raise UserError(
                f"port {flags.port} is in use: choose another one with --port; 0 takes any free one"
            ) from None
        except program.TensorBoardServerException as error:
            raise UserError(error.msg) from None

    def print_serving_message(self) -> None:
        print(f"TensorBoard shows the runs at {self.get_url()}#{PLUGIN}", flush=True)


def main(flags: Sequence[str]) -> int:
    """Run TensorBoard until Ctrl-C; return the exit code."""
    load_tensorflow()  # TensorBoard does it later, with messages
    board = program.TensorBoard(default.get_plugins(), server_class=_Server)
    try:
        board.configure(["tensorboard", *flags])
        return board.main()
    except UserError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:  # before it serves
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
