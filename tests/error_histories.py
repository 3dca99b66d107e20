"""Histories of `ErrorFlow` whose errors are known."""

import numpy as np


def history(curve, rows=100, injected=None, cell=None, valid=None):
    """A history of equal rows; `curve` [T] is the total error, from the first step on.

    injected: the error that enters at each step; None: it enters at the last step only.
    """
    curve = np.asarray(curve, float)
    carried = np.append(curve[:-1], 0.0) if injected is None else np.sqrt(curve**2 - injected**2)
    single = {"hidden": curve, "carried": carried, "valid": np.full(len(curve), 8.0)}
    if valid is not None:
        single["valid"] = valid
    if cell is not None:
        single["cell"] = np.asarray(cell, float)
    tables = {name: np.tile(row, [rows, 1]).astype("float32") for name, row in single.items()}
    tables |= {f"{name}_from_end": table for name, table in tables.items()}
    return {"step": np.arange(1, rows + 1), "length": np.full(rows, len(curve)), **tables}


def decaying(half_life, steps=40, last=0.3):
    return last * 0.5 ** (np.arange(steps)[::-1] / half_life)


def recorded(total, injected, mask=None, backwards=False, rows=20):
    """The history of examples whose errors [B, T] are known, as a layer would record them."""
    total, injected = np.broadcast_arrays(np.asarray(total, float), injected)
    mask = np.ones(total.shape, bool) if mask is None else mask
    flip = (lambda a: a[:, ::-1]) if backwards else (lambda a: a)
    total, injected, mask = flip(total), flip(injected), flip(mask)  # in reading order
    following = np.zeros(total.shape)
    for example, valid in enumerate(mask):
        (steps,) = np.nonzero(valid)
        following[example, steps[:-1]] = total[example, steps[1:]]
    squares = {"hidden": total**2, "hidden_next": following**2, "injected": injected**2}
    squares["carried"] = np.maximum(total - injected, 0) ** 2
    shift = [mask.shape[1] - 1 - np.flatnonzero(valid)[-1] for valid in mask]
    at_end = [[np.roll(row, n) for row, n in zip(a, shift, strict=True)] for a in squares.values()]
    tables = _means({n: flip(a) for n, a in squares.items()}, flip(mask), "", rows)
    ends = dict(zip(squares, map(np.array, at_end), strict=True))
    rolled = np.array([np.roll(row, n) for row, n in zip(mask, shift, strict=True)])
    tables |= _means(ends, rolled, "_from_end", rows)
    length = np.full(rows, mask.shape[1])
    return {"step": np.arange(1, rows + 1), "length": length, **tables}


def _means(squares, mask, suffix, rows):
    valid = mask.sum(axis=0)
    with np.errstate(invalid="ignore"):
        means = {n: np.sqrt(np.where(mask, a, 0).sum(axis=0) / valid) for n, a in squares.items()}
    means["valid"] = valid.astype(float)
    return {n + suffix: np.tile(a, [rows, 1]).astype("float32") for n, a in means.items()}
