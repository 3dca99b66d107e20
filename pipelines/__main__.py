"""python -m errorflow.pipelines: the same as `errorflow`."""

from .cli import console

raise SystemExit(console())
