"""What looks on while a model trains."""

from .attention_maps import Alignment as Alignment
from .attention_maps import AttentionMaps as AttentionMaps
from .error_flow import ErrorFlow as ErrorFlow
from .feature_maps import FeatureMaps as FeatureMaps
from .gates import Gates as Gates
from .layer_gradients import LayerGradients as LayerGradients
from .samples import TextSamples as TextSamples
from .told_pictures import TellPictures as TellPictures
from .told_pictures import Told as Told
