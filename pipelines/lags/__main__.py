"""python -m errorflow.pipelines.lags: the same as `errorflow lags`."""

import sys

from ..cli import main

raise SystemExit(main(["lags", *sys.argv[1:]]))
