"""python -m errorflow.pipelines.stories: the same as `errorflow stories`."""

import sys

from ..cli import console

raise SystemExit(console(["stories", *sys.argv[1:]]))
