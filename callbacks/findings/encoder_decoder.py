"""The finding on an encoder-decoder: whether the decoder's error reaches the encoder's first step.

The tables are those of two layers on one time axis, see `recording.tables.join_layers`.
"""

import math
from collections.abc import Mapping

import numpy as np

from .error_flow import VANISHING
from .finding import JUDGED_SHARE, Finding, every_steps, share_in_words, short, since_when


def first_to_largest(joined: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the error at the encoder's first step over the largest one in the decoder, [N]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return joined["at_first"] / joined["largest"]


def encoder_decoder_finding(
    paths: tuple[str, str], joined: Mapping[str, np.ndarray], backwards: bool | None = None
) -> Finding:
    """Return the finding on the share of the decoder's error that reaches the encoder's first step.

    Args:
        paths: the paths of the encoder's and the decoder's recurrent layer.
        joined: their joined tables.
        backwards: whether the encoder reads its input from the last step to the first.
    """
    encoder, decoder = paths
    is_cut = "cut" in joined and (joined["cut"] < joined["border"]).all()
    if "skipped" in joined:
        joined = {n: t[~joined["skipped"]] for n, t in joined.items() if np.ndim(t)}
    shares = first_to_largest(joined)
    judged = max(1, math.ceil(JUDGED_SHARE * len(shares)))
    recent = shares[-judged:]
    if not np.isfinite(recent).any():
        text = "cannot be judged: the recorded errors are zero or not finite"
        return Finding(encoder, "too little", "cannot be judged: zero or not finite", text)
    share = float(np.nanmedian(recent))
    vanishes = share < VANISHING
    agrees = (shares < VANISHING) == vanishes
    when, evidence = since_when(joined["step"], agrees & np.isfinite(shares))
    first = "the first step it reads" if backwards else "its first step"
    text = (
        f"{first} receives {share_in_words(share)} of the largest error at any step of {decoder} "
        f"(median of the last {JUDGED_SHARE:.0%} of {len(shares):,} recorded training steps)"
    )
    if vanishes and when:
        text += f"; it has been below {short(VANISHING)}{when}"
    confidence = float(np.mean(agrees[-judged:][np.isfinite(recent)]))
    kind = "does not cross" if vanishes else "healthy"
    if vanishes and is_cut:
        return _cut(paths, text, int(joined["cut"][-1]), share, confidence)
    arrival = f"{first.partition(' ')[2]} gets {short(share)} of the decoder's largest"
    headline = f"{kind}, {arrival if share else 'nothing measurable arrives'}"
    evidence = {"first_to_largest": share, **evidence}
    return Finding(encoder, kind, headline, text, evidence, confidence)


def _cut(paths, text, truncate, share, confidence):
    """The finding if truncation in the encoder keeps the decoder's error from its first steps."""
    every, evidence = f"cut {every_steps(truncate)}", {"truncate": truncate}
    text = f"the error is {every} by truncate={truncate}, and {text}"
    headline = f"{every}, the first step gets {short(share)}"
    evidence |= {"first_to_largest": share}
    return Finding(paths[0], "cut", headline, text, evidence, confidence)
