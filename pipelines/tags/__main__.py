"""python -m errorflow.pipelines.tags: the same as `errorflow tags`."""

import sys

from ..cli import console

raise SystemExit(console(["tags", *sys.argv[1:]]))
