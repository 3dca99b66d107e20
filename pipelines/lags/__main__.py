"""python -m errorflow.pipelines.lags: the same as `errorflow lags`."""

import sys

from ..cli import console

raise SystemExit(console(["lags", *sys.argv[1:]]))
