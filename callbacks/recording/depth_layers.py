"""Which layers of a model show the error over depth, and by which layers each output is read."""

import collections
import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras

from ...layers.call_order import number_in_code, written_order
from ...layers.paths import walk

NORMALIZATIONS = (
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization),
    *(keras.layers.GroupNormalization, keras.layers.RMSNormalization),
    *(keras.layers.UnitNormalization, keras.layers.Normalization),
)
ACTIVATIONS = (
    *(keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU),
    *(keras.layers.ELU, keras.layers.Softmax),
)
MERGES = (
    *(keras.layers.Add, keras.layers.Subtract, keras.layers.Multiply, keras.layers.Average),
    *(keras.layers.Maximum, keras.layers.Minimum, keras.layers.Concatenate, keras.layers.Dot),
)

Readers = Sequence[Any]  # of a tensor: operations, and None for an output of the model


class Node(NamedTuple):
    """An operation of a functional or sequential model, and the readers of each of its tensors."""

    operation: keras.Operation
    readers: Sequence[Readers]


class DepthLayers:
    """The layers whose outputs are recorded.

    They are the layers in `names`; or, if it is None, those that a reader of the network expects.
    Of a functional or sequential model, also inside another model, these are the outputs

    * of layers with weights, such as convolutions, dense layers and whole blocks, behind the
      normalisation and the activation that alone follow them,
    * of activations, and of merging layers such as Add and Concatenate,
    * that several layers read;

    except those that only an Add reads: the error there is that of the sum. Of other models, these
    are the outputs of layers with weights (normalisations left out), activations and merging
    layers. The layers inside a layer that is not a model are left out.

    Args:
        model: a Keras model.
        names: paths of layers (see `layers.paths.walk`), or None.

    Attributes:
        names: as given.
    """

    def __init__(self, model: keras.Model, names: Sequence[str] | None = None):
        self._paths: dict[int, str] = {}  # of all layers, and of operations in functional models
        self._chosen: dict[int, bool] = {}  # those of which it is known
        self._forks: dict[int, set[int]] = collections.defaultdict(set)
        self._only: set[tuple[int, int]] = set()  # the operation and the only one that reads it
        self._model, self.names = model, names
        self._find()

    def _find(self):
        parts = [("", self._model), *walk(self._model)]
        self._paths |= {id(part): path for path, part in parts}
        orders = written_order(self._model)
        self._orders = {path: orders[id(part)] for path, part in parts if id(part) in orders}
        for path, part in parts:
            nodes = _nodes(part)
            self._paths |= dict(_operation_paths(nodes, path))
            for node in nodes:
                for readers in node.readers:
                    if len(readers) > 1 and None not in readers:
                        self._forks[id(node.operation)] |= {*map(id, readers)}
                    elif len(readers) == 1:
                        self._only.add((id(node.operation), id(readers[0])))
            if self.names is None and nodes:
                shown = _shown(nodes)
                self._chosen |= {id(n.operation): id(n.operation) in shown for n in nodes}
        if self.names is not None:
            self._chosen = {id(part): path in self.names for path, part in parts}
        models = [part for _, part in parts if isinstance(part, keras.Model)]
        self._in_models = {id(layer) for model in models for layer in model.layers}

    def path(self, operation: keras.Operation) -> str | None:
        """Return the path of a layer or operation whose output is recorded; None: it is not."""
        key = id(operation)
        if key not in self._paths:
            self._find()  # it was built after the model
            self._chosen.setdefault(key, key in self._paths)
        if key not in self._chosen:
            self._chosen[key] = key in self._in_models and _stands_out(operation)
        return self._paths.get(key) if self._chosen[key] else None

    def reads_fork(self, reader: keras.Operation, source: keras.Operation) -> str | None:
        """Return the name of an operation that reads, with others, what `source` returns.

        None: it is the only reader, or reads something else.
        """
        is_one_of_several = id(reader) in self._forks.get(id(source), ())
        return reader.name if is_one_of_several else None

    def is_only(self, reader: keras.Operation, source: keras.Operation) -> bool:
        """Return whether nothing else reads what `source` returns, as far as this is known."""
        return (id(source), id(reader)) in self._only

    def number_in_code(self, path: str, running: int, calls: int) -> int:
        """Return the number of a layer's call in the model's code; see `layers.call_order`.

        Args:
            path: that of the layer.
            running: the number in the order in which the calls run.
            calls: the number of calls.
        """
        order = self._orders.get(path, ())
        return number_in_code(running, order if order and calls % len(order) == 0 else ())

    def is_reader(self, operation: keras.Operation) -> bool:
        """Return whether an operation reads a tensor that others read too."""
        return any(id(operation) in readers for readers in self._forks.values())


def check_names(model: keras.Model, names: Sequence[str]) -> None:
    """Check that a model has layers at these paths.

    Raises:
        ValueError: it has no such layer.
    """
    paths = [path for path, _ in walk(model)]
    for name in names:
        if name not in paths:
            ends = [path for path in paths if path.endswith(f"/{name}")]
            near = ends or difflib.get_close_matches(name, paths) or paths
            raise ValueError(
                f"DepthFlow: layers: model {model.name!r} has no layer {name!r}; it has, for "
                f"example, {', '.join(near[:5])}"
            )


def output_paths(model: keras.Model) -> set[str]:
    """Return the paths of the layers that return an output of a functional or sequential model.

    That of a model inside is given by the layers in it. Empty for other models.
    """
    paths = {id(part): path for path, part in walk(model)}
    return {paths[id(layer)] for layer in _output_layers(model) if id(layer) in paths}


def _output_layers(model: Any) -> Iterator[Any]:
    for node in _nodes(model):
        if any(None in readers for readers in node.readers):
            yield node.operation
            yield from _output_layers(node.operation)


def _nodes(part: Any) -> list[Node]:
    """The operations of a functional or sequential model in the order in which they run."""
    graph = getattr(part, "_functional", None) or part
    by_depth = getattr(graph, "_nodes_by_depth", {})
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    readers: dict[int, list[Any]] = collections.defaultdict(list)
    for node in nodes:
        for tensor in {id(x): x for x in node.input_tensors}.values():
            readers[id(tensor)].append(node.operation)
    for tensor in graph.outputs if nodes else ():
        readers[id(tensor)].append(None)
    return [
        Node(node.operation, [readers[id(x)] for x in node.outputs])
        for node in nodes
        if not isinstance(node.operation, keras.layers.InputLayer)
    ]


def _operation_paths(nodes: Sequence[Node], prefix: str) -> Iterator[tuple[int, str]]:
    for operation, _ in nodes:
        if not isinstance(operation, keras.Layer):
            yield id(operation), f"{prefix}/{operation.name}" if prefix else operation.name


def _shown(nodes: Sequence[Node]) -> set[int]:
    """The operations whose outputs are recorded by default, by `id`; see `DepthLayers`."""
    candidates = {id(n.operation) for n in nodes if _stands_out(n.operation)}
    shown = set()
    for operation, readers_of in nodes:
        readers = [reader for readers in readers_of for reader in readers]
        follower = readers[0] if len(readers) == 1 else None
        if any(len(of_tensor) > 1 for of_tensor in readers_of):
            shown.add(id(operation))
        elif id(operation) in candidates:
            if isinstance(follower, NORMALIZATIONS):
                candidates.add(id(follower))
            elif not isinstance(follower, (*ACTIVATIONS, keras.layers.Add)):
                shown.add(id(operation))
    return shown


def _stands_out(operation: Any) -> bool:
    """Whether it is a layer with weights, an activation or a merging layer."""
    if isinstance(operation, (keras.Model, *NORMALIZATIONS)):
        return False
    if isinstance(operation, (*ACTIVATIONS, *MERGES)):
        return True
    return isinstance(operation, keras.Layer) and bool(operation.weights)


def unit_axis_is_first(operation: Any) -> bool:
    """Return whether the channels of a layer's output stand before its places."""
    return getattr(operation, "data_format", None) == "channels_first"
