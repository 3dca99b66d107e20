"""Whether a high or a low value of a figure is better, as its name says."""

import re

from .options import Direction

# Words of names, which are separated by "_", "-" or spaces; the last two may also end a word.
_ERRORS = re.compile(
    r"wrong|mse|mae|mape|msle|rmse|mase|smape|nrmse|rmsle|nll|wer|cer|perplexity|crossentropy"
    r"|cosh|logcosh|distance|divergence|hinge|brier|false|\w*errors?|\w*loss(es)?"
)
_MERITS = re.compile(
    r"acc|accuracy|auc|precision|recall|sensitivity|specificity|f1|fbeta|iou|dice|top\d*|r2|similarity|correlation|right"
    r"|hits?|exact|bleu|rouge\w?|meteor|cider|facts|order|events"
)
_PHONES = "per"  # the phone error rate is the last word; "accuracy per class" is none


def direction_of(figure: str) -> Direction | None:
    """Return "min" or "max": what is better for a figure, such as "val_loss" or "test macro f1".

    A name with words of both kinds is that of an error: "top5_error".

    Returns:
        None if no word of the name says it.
    """
    name = re.sub(r"[_\-\s]+", "_", figure.lower())
    words = name.replace("_io_u", "_iou").split("_")  # Keras' mean_io_u
    if words[-1] == _PHONES or any(map(_ERRORS.fullmatch, words)):
        return "min"
    return "max" if any(map(_MERITS.fullmatch, words)) else None
