"""Captions: the training of a network, and its evaluation."""

import keras

from ..datasets.image_text.image_text_data import ImageTextData, ImageTextSplit
from ..datasets.image_text.scenes import parse_caption
from ..image_to_text import training
from ..image_to_text.training import export_inputs, sample_predictions
from ..models.image_to_text import image_to_text
from ..models.recurrent import recurrent_layer
from ..models.vision import image_encoder
from ..training.evaluation import Scores
from ..training.spec import TrainingSpec
from .config import CaptionsConfig

__all__ = ["build_training", "evaluate", "export_inputs", "sample_predictions"]


def build_training(config: CaptionsConfig, data: ImageTextData) -> TrainingSpec:
    """Return the network, batches, loss and metrics of a training."""
    settings = config.network

    def network(shape: tuple[int, int, int], symbols: int) -> keras.Model:
        # Linear, as in Vinyals et al. (2015): with ReLU the decoder takes longer to learn which
        # value belongs to which group, and learns it for fewer of the unseen combinations.
        encoder = image_encoder(
            settings.cnn,
            shape,
            width=settings.width,
            features=settings.features,
            activation=None,
            weights=settings.weights,
            frozen=settings.freeze,
        )
        return image_to_text(
            recurrent_layer(
                settings.model,
                config.recurrent,
                longest=training.longest_text(config, data),
                seed=config.optimisation.seed,
            ),
            encoder,
            symbols=symbols,
            units=settings.units,
            layers=settings.layers,
            dropout=settings.dropout,
            normalization=config.recurrent.normalization,
        )

    return training.build_training(
        config,
        data,
        network,
        monitor="val_next_loss",  # accuracy counts only one of several correct captions
        mode="min",
    )


def evaluate(serving_model: keras.Model, split: ImageTextSplit, labels: list[str]) -> Scores:
    """Return BLEU, exact matches and `facts`: the share of captions with all facts correct."""
    return training.evaluate(serving_model, split, {"facts": parse_caption})
