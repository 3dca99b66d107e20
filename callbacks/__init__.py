"""Keras callbacks that record how errors and gradients flow while a model trains.

Several trainings can share one `log_dir`, such as the folds of a cross-validation or the trials of
KerasTuner. The event files of the first one are written to `log_dir`/train and, with what the model
predicts, `log_dir`/validation; those of the second one to `log_dir`/2/train, and so on. A training
that goes on, from a backup or by another call of `fit`, stays in its run; in a new process, this is
the newest one.

A callback never ends a training, except `EarlyWarning(stop_when=…)`, which ends it for the faults
that are named there. What goes wrong in a callback becomes one warning, and it stops recording
until the next call of `fit`. Only arguments that cannot be right for the model are errors, before
the training begins.

Names are imported on first use, so that code which only reads recorded numbers, such as the
TensorBoard tab, starts without TensorFlow.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attention_maps import AttentionMaps as AttentionMaps
    from .captioned_images import CaptionedImages as CaptionedImages
    from .deprecated import TellPictures as TellPictures
    from .deprecated import Told as Told
    from .depth_flow import DepthFlow as DepthFlow
    from .drawing.attention_maps import Alignment as Alignment
    from .drawing.captioned_images import CaptionedImage as CaptionedImage
    from .drawing.error_path import error_path as error_path
    from .early_warning import EarlyWarning as EarlyWarning
    from .error_flow import ErrorFlow as ErrorFlow
    from .error_matrix import ErrorMatrix as ErrorMatrix
    from .feature_maps import FeatureMaps as FeatureMaps
    from .gates import Gates as Gates
    from .horizon import Horizon as Horizon
    from .layer_gradients import LayerGradients as LayerGradients
    from .lyapunov import Lyapunov as Lyapunov
    from .text_samples import TextSamples as TextSamples
    from .treatment.doctor import doctor as doctor

_MODULES = {
    "Alignment": "drawing.attention_maps",
    "AttentionMaps": "attention_maps",
    "CaptionedImage": "drawing.captioned_images",
    "CaptionedImages": "captioned_images",
    "DepthFlow": "depth_flow",
    "EarlyWarning": "early_warning",
    "ErrorFlow": "error_flow",
    "ErrorMatrix": "error_matrix",
    "FeatureMaps": "feature_maps",
    "Gates": "gates",
    "Horizon": "horizon",
    "LayerGradients": "layer_gradients",
    "Lyapunov": "lyapunov",
    "TextSamples": "text_samples",
    "doctor": "treatment.doctor",
    "error_path": "drawing.error_path",
}
_DEPRECATED = {"TellPictures": "CaptionedImages", "Told": "CaptionedImage"}


def __getattr__(name: str) -> Any:
    if name in _DEPRECATED:
        text = f"errorflow.callbacks.{name} is deprecated; use {_DEPRECATED[name]}"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(".deprecated", __name__), name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    if not module.startswith("drawing."):  # says so if Keras does not run on TensorFlow
        importlib.import_module("..layers", __name__)
    return getattr(importlib.import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
