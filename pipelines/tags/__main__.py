"""python -m errorflow.pipelines.tags: the same as `errorflow tags`."""

import sys

from ..cli import main

raise SystemExit(main(["tags", *sys.argv[1:]]))
