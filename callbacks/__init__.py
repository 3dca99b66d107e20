"""What looks on while a model trains."""

from .error_flow import ErrorFlow as ErrorFlow
from .feature_maps import FeatureMaps as FeatureMaps
from .layer_gradients import LayerGradients as LayerGradients
