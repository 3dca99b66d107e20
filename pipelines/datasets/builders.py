"""The base class of our TFDS builders. Importing this module loads TensorFlow."""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

import tensorflow_datasets as tfds

from ..core.errors import UserError


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # pyright: ignore[reportGeneralTypeIssues, reportCallIssue]
    """A TFDS builder that also works from an editable install of a namespace package.

    TFDS looks for a builder's folder from the root of its package. The root of a namespace package
    is not a single folder, so the paths are set here.
    """

    pkg_dir_path = tfds.core.Path(__file__).parent
    code_path = tfds.core.Path(__file__)


def prepare(builder_class: type[Builder], data_dir: str | None = None) -> tfds.core.DatasetBuilder:
    """Return a builder whose data are on disk; write them first if they are missing.

    TFDS names its temporary folder by the global random state, which two runs with the same seed
    share. Therefore the data are written to a folder of their own, which is renamed at the end.

    Raises:
        UserError: the folder of TFDS data cannot be written.
    """
    builder = builder_class(data_dir=data_dir)
    if not builder.data_path.exists():
        target = Path(builder.data_dir)
        try:
            _write(builder_class, target)
        except OSError as error:
            raise UserError(
                f"{target}: cannot be written ({error.strerror or error});"
                " set TFDS_DATA_DIR to a writable folder"
            ) from error
        builder = builder_class(data_dir=data_dir)
    return builder


def _write(builder_class: type[Builder], target: Path) -> None:
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    target.parent.mkdir(parents=True, exist_ok=True)
    # If one download fails while another is still writing, the cleanup must not hide the error.
    with tempfile.TemporaryDirectory(
        dir=target.parent, prefix="incomplete.", ignore_cleanup_errors=True
    ) as scratch:
        builder = builder_class(data_dir=scratch)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()  # prints the name of the scratch folder
        try:
            Path(builder.data_dir).rename(target)
        except OSError:
            if not target.exists():  # else another run was faster; its data are the same
                raise
