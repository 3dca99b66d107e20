"""TFDS datasets by name, with helpful errors. Importing this module loads TensorFlow."""

import difflib
import re
import sys

import tensorflow_datasets as tfds

from ..core.errors import UserError


def find_builder(dataset: str) -> tfds.core.DatasetBuilder:
    """Return the builder of a dataset that comes with TFDS, whether it is on disk or not.

    Raises:
        UserError: no such dataset, or a configuration that it does not have.
    """
    try:
        name, _ = tfds.core.naming.parse_builder_name_kwargs(dataset)
        if name.namespace:
            raise UserError(f"--dataset {dataset}: not a dataset that comes with TFDS")
        return tfds.builder(dataset)
    except tfds.core.DatasetNotFoundError:
        raise UserError(f"--dataset {dataset}: {_no_such_set(dataset)}") from None
    except (ValueError, TypeError, AssertionError, RuntimeError, ImportError) as error:
        reason = str(error).splitlines()[0].rpartition('": ')[2].partition(" Here are")[0]
        raise UserError(f"--dataset {dataset}: {reason}") from error


def check_on_disk(builder: tfds.core.DatasetBuilder, dataset: str) -> None:
    """Raise `UserError`, with the command that fetches the dataset, unless it is on disk."""
    if not builder.data_path.exists():
        raise UserError(
            f"--dataset {dataset}: not on this machine; fetch it with: {_fetch(dataset)}"
        )


def check_train(builder: tfds.core.DatasetBuilder, dataset: str | None) -> None:
    """Raise `UserError` for a dataset without a train split."""
    if "train" not in builder.info.splits:
        raise UserError(
            f"--dataset {dataset}: no train split, only {', '.join(builder.info.splits)}"
        )


def features_of(builder: tfds.core.DatasetBuilder) -> dict[str, tfds.features.FeatureConnector]:
    """Return the features of an example by name."""
    features = builder.info.features
    return dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}


def features_of_type(builder: tfds.core.DatasetBuilder, kind: type) -> list[str]:
    """Return the names of the features of a class such as `tfds.features.Text`."""
    return [key for key, feature in features_of(builder).items() if isinstance(feature, kind)]


def example_and_label(
    builder: tfds.core.DatasetBuilder, kind: type, plural: str
) -> tuple[str, str]:
    """Return the names of an example's feature and of its class label.

    They are the supervised pair, or the only ones of their kind.

    Args:
        kind: the class of the feature, such as `tfds.features.Image`.
        plural: what such features are called: "images".

    Raises:
        UserError: the dataset has no such pair.
    """
    examples = features_of_type(builder, kind)
    labels = features_of_type(builder, tfds.features.ClassLabel)
    supervised = builder.info.supervised_keys
    if supervised and supervised[0] in examples and supervised[1] in labels:
        return supervised
    if len(examples) == len(labels) == 1:
        return examples[0], labels[0]
    raise UserError(
        f"--dataset {builder.name}: not a dataset of {plural} with a class: it has {len(examples)}"
        f" {plural} and {len(labels)} class labels ({', '.join(features_of(builder))})"
    )


def _no_such_set(dataset: str) -> str:
    names = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(re.split("[/:]", dataset)[0], names)
    return (
        f"no such TFDS dataset; did you mean {' or '.join(close)}?"
        if close
        else "no such TFDS dataset"
    )


def _fetch(dataset: str) -> str:
    """Return the shell command that prepares a dataset; the command `tfds` needs apache-beam."""
    code = f"import tensorflow_datasets as t; t.builder('{dataset}').download_and_prepare()"
    return f'{sys.executable} -c "{code}"'
