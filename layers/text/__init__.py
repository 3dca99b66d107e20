"""Layers of text; importing the package registers them, so that saved models can be loaded."""

from . import beam_search as beam_search
from . import characters as characters
from . import each_step as each_step
from . import sequences as sequences
from . import standardization as standardization
