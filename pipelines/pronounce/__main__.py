"""python -m errorflow.pipelines.pronounce: the same as `errorflow pronounce`."""

import sys

from ..cli import console

raise SystemExit(console(["pronounce", *sys.argv[1:]]))
