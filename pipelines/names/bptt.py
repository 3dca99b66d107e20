"""Backpropagation through time for one text: the error at each character."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from ...callbacks.recording.printable import printable
from ...layers import error_matrix, intervention_effect
from ...layers.analysis.intervention_effect import InterventionEffect
from ...layers.analysis.matrix_result import ErrorMatrix
from ..core.errors import UserError
from ..core.run_folder import RunFolder
from ..models.serving import labels_in, load
from ..models.text_serving import normalize, vectorize, vocabulary_in
from ..text_classification.training import every_step_twin
from ..training import plots
from .config import NamesConfig

WIDTH = 40  # width of the longest bar, in characters
DECADES = 3  # minimum number of decades between the longest and an empty bar


def show(
    run: RunFolder,
    config: NamesConfig,
    text: str,
    label: str | None,
    layer: str,
    cut: int | None = None,
) -> Iterator[str]:
    """Plot ‖δ_i^(k)‖ into the run folder; yield a line per character and the path of the plot.

    E_i is the loss of a text that ends at character i. The lines show the last one, E_T, on which
    the network was trained. With `--truncate K`, training on a text that ends at character i
    carries its error back to the K characters up to i, in every layer, and this shows the same.

    Args:
        cut: a character, from 1 on. Lines follow that say what the gradients of E_T lose if the
            error that `layer` carries back to it is cut.

    Raises:
        UserError: an unknown label or layer, a network that does not read step by step, or a
            character to which no error is carried back.
    """
    serving_model = load(run.best)
    twin = every_step_twin(config, serving_model)
    labels, text = labels_in(serving_model), normalize(text)
    layers = [f"rnn_{number}" for number in range(1, config.network.layers + 1)]
    if layer not in layers:
        raise UserError(f"--layer {layer}: the recurrent layers are {', '.join(layers)}")
    if label is not None and label not in labels:
        raise UserError(f"--label {label}: the labels are {', '.join(labels)}")
    truncate = config.recurrent.truncate
    if cut is not None:
        _check_cut(cut, text, truncate)
    ids = vectorize([text], vocabulary_in(serving_model), config.data.tokens)  # [1, T]
    probabilities = np.array(twin(ids))[0]  # [T, C]
    target = probabilities[-1].argmax() if label is None else labels.index(label)
    one_hot = np.eye(len(labels), dtype=np.float32)[target]
    matrix = errors_of_prefixes(twin, ids, one_hot, layer, truncate)  # [T, T]
    name = f"{labels[target]} (p = {probabilities[-1, target]:.3f})"
    yield f"{text!r}, target {name}; ‖dE/dh_k‖ in {layer}, bars on a log scale:"
    if truncate is not None:
        yield f"(--truncate {truncate}: as in training, each error reaches {truncate} characters)"
    yield from bars(text, matrix[-1])
    path = run.plots / f"bptt_{_file_name(text)}.png"
    plots.save(matrix.plot([*map(printable, text)], printable(f"{text}: {name}, {layer}")), path)
    yield f"plot of every loss step and every earlier step: {path}"
    if cut is not None:
        core = serving_model.get_layer("core")
        rate = config.resolved().optimisation.learning_rate
        core.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
        effect = intervention_effect(core, ids, one_hot[None], step=cut, layer=layer)
        yield from losses(effect, f"character {cut}, {printable(text[cut - 1])!r}")


def errors_of_prefixes(
    twin: keras.Model, ids: np.ndarray, target: np.ndarray, layer: str, truncate: int | None
) -> ErrorMatrix:
    """Return ‖δ_i^(k)‖ [T, T]: what character k receives in training on the first i characters.

    With truncation, that is 0 up to character i - `truncate`. The layer counts its cuts from the
    end of the text, and a layer above it passes on no error from before its own first cut.

    Args:
        twin: the network with an output after every character and without truncation.
        ids: [1, T].
        target: the probabilities of the labels, [C].
        layer: its name.
        truncate: the number of characters that receive an error; None: all.
    """
    twin.compile(loss="categorical_crossentropy")
    matrix = error_matrix(twin, ids, np.tile(target, (1, ids.shape[1], 1)), layer=layer)
    if truncate is None:
        return matrix
    return ErrorMatrix(np.triu(matrix.values, 1 - truncate), matrix.layer)


def _check_cut(cut, text, truncate):
    first, last = max(1, len(text) + 1 - (truncate or len(text))), len(text) - 1
    if not first <= cut <= last:
        places = f"characters {first} to {last}" if first <= last else "no character"
        raise UserError(f"--cut {cut}: in {text!r}, an error is carried back to {places}")


def losses(effect: InterventionEffect, place: str) -> Iterator[str]:
    """Yield what a cut changes: a line per weight, one for all of them, and the losses.

    With the gradients g, and g' after the cut, a line has ‖g‖, ‖g'‖ and ‖g' − g‖ / ‖g‖.
    """
    yield f"the error that {effect.layer} carries back to {place}, is cut; ‖dE/dW‖ of each weight:"
    rows = [*effect.weights.items(), ("all weights", effect.total)]
    width = max(len(name) for name, _ in rows)
    for name, change in rows:
        norms = f"{change.norm:.2e} → {change.changed_norm:.2e}"
        yield f"  {name:{width}}  {norms}  changes by {change.difference:.1%}"
    full, less = effect.loss_after
    yield (
        f"loss {effect.loss:.5g}, which the cut leaves as it is; after one step of gradient descent"
        f" on this name {full:.5g}, with the cut {less:.5g}"
    )


def bars(steps: Sequence[str], values: np.ndarray) -> Iterator[str]:
    """Yield a line per step: its symbol, its value, and a bar on a log scale."""
    tiny = np.finfo(np.float32).tiny
    received = values[values > 0]
    largest = float(received.max(initial=tiny))
    decades = max(DECADES, np.ceil(np.log10(largest / received.min(initial=largest))))
    for number, (step, value) in enumerate(zip(steps, values, strict=True), start=1):
        below = np.log10(largest / value) if value else decades
        bar = "█" * round(WIDTH * (1 - below / decades))
        yield f"{number:3}  {step}  {value:.2e}  {bar}"


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)[:60]
