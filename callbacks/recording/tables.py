"""The rows of one recurrent layer, read as named tables. Imports no TensorFlow."""

import numpy as np

from .rows import Rows

STATISTICS = ("hidden", "hidden_max", "carried", "valid", "cell", "cell_max")


def statistics(rows: Rows) -> tuple[str, ...]:
    """The names of `rows.values`; twice as many tables are these, and these from the end."""
    has_cell = len(rows.values) % len(STATISTICS) == 0
    return STATISTICS if has_cell else STATISTICS[:4]


def tables(rows: Rows) -> dict[str, np.ndarray]:
    """The rows as named tables [N, T], with the last step in column -1 of those "_from_end"."""
    names = statistics(rows)
    start, end = rows.values[: len(names)], rows.values[-len(names) :]
    return {
        "step": rows.steps,
        "length": rows.lengths,
        **dict(zip(names, start, strict=True)),
        **{
            f"{n}_from_end": _to_the_right(t, rows.lengths) for n, t in zip(names, end, strict=True)
        },
    }


def _to_the_right(table, lengths):
    """Move each row [W] until its column length-1 is the last one."""
    width = table.shape[-1]
    if (lengths == width).all():
        return table
    source = np.arange(width) - (width - lengths)[:, None]
    moved = np.take_along_axis(table, np.maximum(source, 0), axis=1)
    return np.where(source >= 0, moved, np.nan).astype(table.dtype)
