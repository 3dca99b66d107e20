"""python -m errorflow.pipelines.captions: the same as `errorflow captions`."""

import sys

from ..cli import console

raise SystemExit(console(["captions", *sys.argv[1:]]))
