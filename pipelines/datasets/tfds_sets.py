"""TFDS sets by name, with errors that say what to do. Importing this module imports TensorFlow."""

import difflib
import re
import sys

import tensorflow_datasets as tfds

from ..core.errors import UserError


def find_builder(dataset: str) -> tfds.core.DatasetBuilder:
    """The builder of a set that comes with TFDS, on disk or not."""
    try:
        name, _ = tfds.core.naming.parse_builder_name_kwargs(dataset)
        if name.namespace:
            raise UserError(f"--dataset {dataset}: not a set that comes with TFDS")
        return tfds.builder(dataset)
    except tfds.core.DatasetNotFoundError:
        raise UserError(f"--dataset {dataset}: {_no_such_set(dataset)}") from None
    except (ValueError, TypeError, AssertionError, RuntimeError, ImportError) as error:
        reason = str(error).splitlines()[0].rpartition('": ')[2].partition(" Here are")[0]
        raise UserError(f"--dataset {dataset}: {reason}") from error


def check_on_disk(builder: tfds.core.DatasetBuilder, dataset: str) -> None:
    """Raises `UserError` with the command that fetches the set, unless it lies ready."""
    if not builder.data_path.exists():
        raise UserError(
            f"--dataset {dataset}: not on this machine; fetch it with: {_fetch(dataset)}"
        )


def check_train(builder: tfds.core.DatasetBuilder, dataset: str | None) -> None:
    """Raises `UserError` for a set without a train split."""
    if "train" not in builder.info.splits:
        raise UserError(
            f"--dataset {dataset}: no train split, only {', '.join(builder.info.splits)}"
        )


def features_of(builder: tfds.core.DatasetBuilder) -> dict[str, tfds.features.FeatureConnector]:
    """The features of an example by name."""
    features = builder.info.features
    return dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}


def features_of_type(builder: tfds.core.DatasetBuilder, kind: type) -> list[str]:
    """The names of the features of a kind."""
    return [key for key, feature in features_of(builder).items() if isinstance(feature, kind)]


def _no_such_set(dataset: str) -> str:
    known = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(re.split("[/:]", dataset)[0], known)
    return f"no such TFDS set; did you mean {' or '.join(close)}?" if close else "no such TFDS set"


def _fetch(dataset: str) -> str:
    """The shell command that prepares a set. The tfds command itself fails without apache-beam."""
    code = f"import tensorflow_datasets as t; t.builder('{dataset}').download_and_prepare()"
    return f'{sys.executable} -c "{code}"'
