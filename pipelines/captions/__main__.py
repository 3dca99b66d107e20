"""python -m errorflow.pipelines.captions: the same as `errorflow captions`."""

import sys

from ..cli import main

raise SystemExit(main(["captions", *sys.argv[1:]]))
