"""The kinds of warnings while a model trains. Imports nothing, so that flags are checked fast."""

KINDS = {
    "stuck": "layers receive no gradient",
    "dead": "most units of a layer receive no gradient",
    "vanishing": "the error vanishes over time, or the gradient over depth",
    "exploding": "the error explodes over time, or the gradient over depth",
    "diverged": "loss or gradient are not finite, or the loss is far above its first value",
}
