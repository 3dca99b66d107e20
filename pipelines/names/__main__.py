"""python -m errorflow.pipelines.names: the same as `errorflow names`."""

import sys

from ..cli import console

raise SystemExit(console(["names", *sys.argv[1:]]))
