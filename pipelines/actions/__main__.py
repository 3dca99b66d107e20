"""python -m errorflow.pipelines.actions: the same as `errorflow actions`."""

import sys

from ..cli import console

raise SystemExit(console(["actions", *sys.argv[1:]]))
