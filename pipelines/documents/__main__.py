"""python -m errorflow.pipelines.documents: the same as `errorflow documents`."""

import sys

from ..cli import console

raise SystemExit(console(["documents", *sys.argv[1:]]))
