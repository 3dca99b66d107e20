"""python -m errorflow.pipelines.documents: the same as `errorflow documents`."""

import sys

from ..cli import main

raise SystemExit(main(["documents", *sys.argv[1:]]))
