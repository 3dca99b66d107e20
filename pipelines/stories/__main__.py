"""python -m errorflow.pipelines.stories: the same as `errorflow stories`."""

import sys

from ..cli import main

raise SystemExit(main(["stories", *sys.argv[1:]]))
