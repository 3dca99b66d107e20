"""python -m errorflow.pipelines.images: the same as `errorflow images`."""

import sys

from ..cli import main

raise SystemExit(main(["images", *sys.argv[1:]]))
