"""Run LiteRT files, example by example."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..core.devices import stderr_held_back
from .export_comparison import Arrays

SIGNATURE = "serving_default"
CALIBRATION = 200  # examples from which the ranges of the activations are measured


def one_by_one(batches: Sequence[Arrays], most: int = CALIBRATION) -> Iterator[Arrays]:
    """Yield up to `most` examples [1, …] of batches, spread evenly over them."""
    places = [(batch, n) for batch in batches for n in range(len(_first(batch)))]
    for chosen in np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).astype(int)):
        batch, n = places[chosen]
        yield {name: array[n : n + 1] for name, array in batch.items()}


def run_litert(path: Path) -> Callable[[Arrays], Arrays]:
    """Return the function that runs a file, example by example."""
    from ai_edge_litert.interpreter import Interpreter  # in the extra [litert]

    with stderr_held_back():
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()  # prints a message
        runner = interpreter.get_signature_runner(SIGNATURE)

    def run(inputs: Arrays) -> Arrays:
        rows = [runner(**example) for example in one_by_one([inputs], most=len(_first(inputs)))]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return run


def _first(arrays: Arrays) -> np.ndarray:
    return next(iter(arrays.values()))
