"""python -m errorflow.pipelines.series: the same as `errorflow series`."""

import sys

from ..cli import console

raise SystemExit(console(["series", *sys.argv[1:]]))
