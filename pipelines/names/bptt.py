"""One text sent through a trained network, and the error that comes back to each character."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...layers import error_matrix
from ..core.config import UserError
from ..core.run_folder import Run
from ..models.serving import labels_in, load
from ..models.text_serving import normalize, vectorize, vocabulary_in
from ..text_classification.training import every_step_twin
from ..training import plots

if TYPE_CHECKING:
    from . import NamesConfig

WIDTH = 40  # of the longest bar
DECADES = 3  # at least, from the longest bar to none


def show(
    run: Run, config: "NamesConfig", text: str, label: str | None, layer: str
) -> Iterator[str]:
    """Draws ‖δ_i^(k)‖ into the run's plots; yields a line per character and where the picture is.

    Each E_i is the loss had the text ended at character i. The lines are of the last one, E_T,
    which the network was trained on.

    Raises:
        UserError: an unknown label or layer, a network that does not go step by step.
    """
    package = load(run.best)
    twin = every_step_twin(config, package)
    labels, text = labels_in(package), normalize(text)
    known = [f"rnn_{number}" for number in range(1, config.layers + 1)]
    if layer not in known:
        raise UserError(f"--layer {layer}: the recurrent layers are {', '.join(known)}")
    if label is not None and label not in labels:
        raise UserError(f"--label {label}: the labels are {', '.join(labels)}")
    ids = vectorize([text], vocabulary_in(package), config.split)  # [1, T]
    answers = np.array(twin(ids))[0]  # [T, C]
    target = answers[-1].argmax() if label is None else labels.index(label)
    one_hot = np.eye(len(labels), dtype=np.float32)[target]
    twin.compile(loss="categorical_crossentropy")
    matrix = error_matrix(twin, ids, np.tile(one_hot, (1, len(text), 1)), layer=layer)  # [T, T]
    name = f"{labels[target]} (p = {answers[-1, target]:.3f})"
    yield f"{text!r} taken for {name}; ‖dE/dh_k‖ in {layer}, bars on a log scale:"
    yield from bars(text, matrix[-1])
    path = run.plots / f"bptt_{_file_name(text)}.png"
    plots.save(plots.error_matrix(matrix, list(text), f"{text}: {name}, {layer}"), path)
    yield f"picture of every loss step and every earlier step: {path}"


def bars(steps: Sequence[str], values: np.ndarray) -> Iterator[str]:
    """A line per step: its symbol, its value, and a bar on a log scale."""
    tiny = np.finfo(np.float32).tiny
    largest, smallest = (max(float(v), tiny) for v in (values.max(), values.min()))
    decades = max(DECADES, np.ceil(np.log10(largest / smallest)))
    for number, (step, value) in enumerate(zip(steps, values, strict=True), start=1):
        below = np.log10(largest / max(value, tiny))
        bar = "█" * round(WIDTH * (1 - below / decades))
        yield f"{number:3}  {step}  {value:.2e}  {bar}"


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)[:60]
