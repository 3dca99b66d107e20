"""What a cut, or scaled, error changes in the gradient of each weight and in the next loss."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..paths import walk
from ..rnn.intervene import intervene
from ..rnn.watch import made_visible
from .recorded_calls import is_recordable, separate_records
from .results import AnalysisResult

if TYPE_CHECKING:
    import pandas as pd

    from .pictures import ResultFigure

ZERO: Any = tf.UnconnectedGradients.ZERO


class GradientChange(NamedTuple):
    """A gradient g = dE/dW, and g' of the backward pass with the intervention.

    Attributes:
        norm: ‖g‖.
        changed_norm: ‖g'‖.
        cosine: g · g' / (‖g‖ ‖g'‖), NaN if one of them is 0.
        difference: ‖g' − g‖ / ‖g‖, the share of g that is lost or falsified; 0 if both are 0.
    """

    norm: float
    changed_norm: float
    cosine: float
    difference: float

    @classmethod
    def of(cls, full: Sequence[np.ndarray], changed: Sequence[np.ndarray]) -> "GradientChange":
        """Return the change of some gradients, all together."""
        a, b = (np.concatenate([g.ravel() for g in gs]).astype(float) for gs in (full, changed))
        norms, lost = (float(np.linalg.norm(a)), float(np.linalg.norm(b))), np.linalg.norm(b - a)
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = float(np.divide(a @ b, np.prod(norms)))
            return cls(*norms, cosine, float(lost / norms[0]) if lost else 0.0)


class InterventionEffect(AnalysisResult):
    """The effect of an intervention on one batch; see `intervention_effect`.

    Attributes:
        layer: the path of the layer.
        step: the step, or steps, of the intervention; `scale` is its factor.
        weights: a `GradientChange` for each trainable weight of the model, by its path.
        total: that of all these gradients side by side.
        errors: the figures of the layer's `ErrorRecord` without and with the intervention:
            `errors[0]["hidden"]` is the rms of ‖δ_t‖ at each step, [T].
        loss: E. An intervention does not change it.
        loss_after: E on the same batch after one training step of the model's optimizer, with g and
            with g'.
    """

    def __init__(
        self,
        layer: str,
        step: int | Sequence[int] | None,
        scale: float,
        weights: Mapping[str, GradientChange],
        total: GradientChange,
        errors: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
        loss: float,
        loss_after: tuple[float, float],
    ):
        self.layer, self.step, self.scale = layer, step, scale
        self.weights, self.total, self.errors = dict(weights), total, errors
        self.loss, self.loss_after = loss, loss_after

    def plot(self) -> "ResultFigure":
        """Return ‖δ_t‖ at each time step, without and with the intervention, as curves."""
        from . import pictures  # noqa: PLC0415 — Matplotlib is imported when it is needed

        names = "all error carried back", self._action()
        curves = {name: row["hidden"] for name, row in zip(names, self.errors, strict=True)}
        return pictures.curves({self.layer: curves}, "time step t", "‖δ_t‖, rms over the batch")

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each trainable weight of the model.

        weight        category  its path
        norm          float     ‖g‖ = ‖dE/dW‖
        changed_norm  float     ‖g'‖, with the intervention
        cosine        float     of the angle between g and g'
        difference    float     ‖g' − g‖ / ‖g‖
        """
        import pandas as pd  # noqa: PLC0415 — takes half a second

        rows = [{"weight": name, **change._asdict()} for name, change in self.weights.items()]
        return pd.DataFrame(rows).astype({"weight": "category"})

    def _action(self):
        verb = "cut" if self.scale == 0 else f"scaled by {self.scale:g}"
        if self.step is None:
            return f"{verb} at all time steps"
        if not isinstance(self.step, Sequence):
            return f"{verb} at time step {self.step}"
        return f"{verb} at time steps {', '.join(map(str, self.step))}"

    def _text(self) -> str:
        text = f"with the error carried back {self._action()}, "
        if self.total.difference == 0:
            return text + "no gradient changes: no error came back there"
        name = max(self.weights, key=lambda name: self.weights[name].difference)
        with_all, with_cut = self.loss_after
        return text + (
            f"the gradient of all weights changes by {self.total.difference:.1%} (cosine "
            f"{self.total.cosine:.3f}), that of {name} by {self.weights[name].difference:.1%}; one "
            f"training step on this batch takes the loss from {self.loss:.5g} to {with_cut:.5g} in "
            f"place of {with_all:.5g}"
        )


def intervention_effect(
    model: keras.Model,
    x: Any,
    y: Any,
    step: int | Sequence[int] | None,
    layer: str | None = None,
    scale: float = 0.0,
) -> InterventionEffect:
    """Return what is lost if the error carried back at a time step is cut, or scaled.

        intervention_effect(model, x, y, step=20)          # does step 20 need to hear of the end?

    E is the compiled loss of a batch at `training=False`. Two backward passes give the gradients
    g = dE/dW without, and g' with `intervene(layer, step, scale)`. E itself is the same in both,
    because an intervention changes no output. What it costs shows in the loss after a training step
    with g' in place of g: `loss_after` has both, of the model's own optimizer in its present state.

    Args:
        model: a compiled model with recurrent layers of errorflow or Keras.
        x, y: a batch.
        step, scale: as in `intervene`.
        layer: the name of a recurrent layer, with its path if it is inside another layer
            ("bidirectional/forward_lstm"). None: the only one.

    Returns:
        The changes, with a sentence and a figure, which a notebook shows. The model, its weights,
        its optimizer and its records are as before.

    Raises:
        ValueError: the model is not compiled, or there is no such layer; or none is named and there
            are several. Also as `intervene` and `watch`.
        TypeError: as `intervene` and `watch`.
    """
    if isinstance(model, keras.Model) and not model.compiled:
        raise ValueError(f"intervention_effect: model {model.name!r} has no loss: compile it first")
    with made_visible(model) as visible:
        path, part = _find(visible, layer)
        loss, full, error = _backward_pass(visible, x, y, path)
        with intervene(part, step, scale):
            _, changed, changed_error = _backward_pass(visible, x, y, path)
        loss_after = (
            _loss_after_step(visible, x, y, full),
            _loss_after_step(visible, x, y, changed),
        )
        scaling = _loss_scale(visible)
        names = [weight.path for weight in visible.trainable_variables]
    full, changed = ([g.numpy() / scaling for g in gradients] for gradients in (full, changed))
    pairs = zip(names, full, changed, strict=True)
    weights = {name: GradientChange.of([a], [b]) for name, a, b in pairs}
    total = GradientChange.of(full, changed)
    errors = error, changed_error
    return InterventionEffect(path, step, scale, weights, total, errors, loss, loss_after)


def _find(model, layer):
    """Return the path of a recurrent layer, or of a cell of a stack, and the object."""
    parts = {path: part for path, part in walk(model) if is_recordable(part)}
    paths = [p for p in parts if layer is None or layer in (p, p.rpartition("/")[2])]
    if len(paths) != 1:
        named = "no layer is named" if layer is None else f"there is no recurrent layer {layer!r}"
        named = named if len(paths) == 0 or layer is None else f"several layers are named {layer!r}"
        raise ValueError(f"intervention_effect: {named}; choose one of: {', '.join(parts)}")
    return paths[0], parts[paths[0]]


def _backward_pass(model, x, y, path):
    """Return E, the gradients of the scaled loss, and the figures of the layer's error."""
    variables = [weight.value for weight in model.trainable_variables]
    with separate_records(model) as records, tf.GradientTape() as tape:
        tape.watch(variables)
        loss = _loss(model, x, y)
        scaled = model.optimizer.scale_loss(loss)
    for record in records[path]:
        record.loss_scale = _loss_scale(model)
    gradients = tape.gradient(scaled, variables, unconnected_gradients=ZERO)
    return float(loss), [*map(tf.convert_to_tensor, gradients)], records[path][0].latest()[0]


def _loss(model, x, y):
    return model.compute_loss(x, y, model(x, training=False), training=False)


def _loss_scale(model):
    return float(model.optimizer.scale_loss(tf.ones([])))


def _loss_after_step(model, x, y, gradients):
    """Return E after a step of the optimizer; the model and the optimizer are as before."""
    model.optimizer.build(model.trainable_variables)
    with _restored([*model.variables, *model.optimizer.variables]):
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return float(_loss(model, x, y))


@contextmanager
def _restored(variables) -> Iterator[None]:
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
