"""python -m errorflow.pipelines: the same as `errorflow`."""

from .cli import main

raise SystemExit(main())
