"""python -m errorflow.pipelines.actions: the same as `errorflow actions`."""

import sys

from ..cli import main

raise SystemExit(main(["actions", *sys.argv[1:]]))
