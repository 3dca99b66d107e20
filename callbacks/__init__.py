"""What looks on while a model trains.

Each name is imported when it is first asked for, so that what only reads what was recorded, as the
TensorBoard tab does, starts without TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attention_maps import Alignment as Alignment
    from .attention_maps import AttentionMaps as AttentionMaps
    from .captioned_images import TellPictures as TellPictures
    from .captioned_images import Told as Told
    from .error_flow import ErrorFlow as ErrorFlow
    from .error_matrix import ErrorMatrix as ErrorMatrix
    from .feature_maps import FeatureMaps as FeatureMaps
    from .gates import Gates as Gates
    from .horizon import Horizon as Horizon
    from .layer_gradients import LayerGradients as LayerGradients
    from .text_samples import TextSamples as TextSamples

_MODULES = {
    "Alignment": "attention_maps",
    "AttentionMaps": "attention_maps",
    "ErrorFlow": "error_flow",
    "ErrorMatrix": "error_matrix",
    "FeatureMaps": "feature_maps",
    "Gates": "gates",
    "Horizon": "horizon",
    "LayerGradients": "layer_gradients",
    "TellPictures": "captioned_images",
    "TextSamples": "text_samples",
    "Told": "captioned_images",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
