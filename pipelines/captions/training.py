"""An image in, a caption out: the training job, its figures, its samples."""

from typing import TYPE_CHECKING

import keras

from ..core.run_folder import Run
from ..datasets.image_text.image_text_data import PictureData, PicturePart
from ..datasets.image_text.scenes import facts
from ..image_to_text import training as telling_training
from ..image_to_text.training import probe, sample
from ..models.image_to_text import image_to_text
from ..models.recurrent import CELLS
from ..models.vision import image_encoder
from ..training import evaluation as scores
from ..training.loop import Job

if TYPE_CHECKING:
    from . import CaptionsConfig

__all__ = ["make_job", "measure", "probe", "sample"]


def make_job(run: Run, config: "CaptionsConfig", data: PictureData) -> Job:
    """Network, batches, loss and metrics of a training."""

    def network(shape: tuple[int, int, int], symbols: int) -> keras.Model:
        # Linear, as in Vinyals et al. (2015): with ReLU it takes the decoder longer to learn which
        # value belongs to which group, and it does so for fewer of the unseen combinations.
        picture = image_encoder(
            config.cnn, shape, width=config.width, features=config.features, activation=None
        )
        return image_to_text(
            CELLS[config.model],
            picture,
            symbols=symbols,
            units=config.units,
            layers=config.layers,
            dropout=config.dropout,
        )

    return telling_training.make_job(
        run,
        config,
        data,
        network,
        monitor="val_next_loss",  # of several captions that are right, accuracy sees one
        mode="min",
    )


def measure(package: keras.Model, part: PicturePart, labels: list[str]) -> scores.Scores:
    """`telling_training.measure`; facts are those of `scenes.Facts`, all of them."""
    return telling_training.measure(package, part, {"facts": facts})
