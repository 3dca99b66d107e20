"""python -m errorflow.pipelines.pronounce: the same as `errorflow pronounce`."""

import sys

from ..cli import main

raise SystemExit(main(["pronounce", *sys.argv[1:]]))
