"""python -m errorflow.pipelines.names: the same as `errorflow names`."""

import sys

from ..cli import main

raise SystemExit(main(["names", *sys.argv[1:]]))
