"""The search spaces of `captions tune` and `stories tune`."""

from ..core.space import TRAINING, Choice, Range, Space

# beam and length_norm are left out: they change the predictions, not what is learned.
_BOTH: Space = {
    "model": Choice("rnn", "lstm", "gru"),
    # All three networks begin with 64 channels, so the same widths suit them.
    "cnn": Choice("vgg11", "googlenet", "resnet18"),
    "width": Choice(0.125, 0.25, 0.5),
    "units": Choice(128, 256, 512),
    "layers": Range(1, 2),
    "dropout": Range(0.0, 0.5, step=0.1),
    "auxiliary": Choice(0.03, 0.1, 0.3),
    "learning_rate": Range(3e-4, 6e-3, log=True),
}
CAPTIONS: Space = {
    **_BOTH,
    "features": Choice(128, 256, 512),
    "batch_size": Choice(16, 32, 64),
    **TRAINING,
}
STORIES: Space = {
    **_BOTH,
    "attention": Choice(False, True),
    "embedding": Choice(32, 64, 128),
    "batch_size": Choice(4, 8, 16),
    **TRAINING,
}
