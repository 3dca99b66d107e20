"""errorflow: see, in the real backward pass, how the error flows through time and depth.

    errorflow.layers       layers that a model is made of
    errorflow.callbacks    callbacks that record while a model trains
    errorflow.pipelines    training pipelines: from a dataset to a trained, documented model

This file is installed as `errorflow/__init__.py`; the three packages are the folders at the top of
the project (see `package-dir` in pyproject.toml).
"""


def __getattr__(name: str) -> str:
    if name == "__version__":  # at first use: importlib.metadata takes longer than all else
        from importlib.metadata import version

        return version("errorflow")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
