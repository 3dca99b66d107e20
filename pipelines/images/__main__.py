"""python -m errorflow.pipelines.images: the same as `errorflow images`."""

import sys

from ..cli import console

raise SystemExit(console(["images", *sys.argv[1:]]))
