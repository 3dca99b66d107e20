"""Texts by their digests: which are equal, in a few bytes each, however long they are."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SIZE = 16  # bytes; two different texts never have the same


def digests(texts: Iterable[str]) -> "np.ndarray":
    """Return the first `SIZE` bytes of the SHA-256 of each text, [N]."""
    import numpy as np

    parts = (hashlib.sha256(text.encode()).digest()[:SIZE] for text in texts)
    return np.fromiter(parts, f"S{SIZE}")


def fractions(of: "np.ndarray") -> "np.ndarray":
    """Return a number in [0, 1) for each digest, [N], as `hash_fraction` of its text."""
    import numpy as np

    first = of.view(np.uint8).reshape(len(of), SIZE)[:, :6].astype(np.int64)
    return first @ (256 ** np.arange(5, -1, -1)) / 2**48


def is_first(of: "np.ndarray") -> "np.ndarray":
    """Return for each digest whether no earlier one is equal, [N]."""
    import numpy as np

    first = np.zeros(len(of), bool)
    first[np.unique(of, return_index=True)[1]] = True
    return first
