"""Which loop do the layers run on this device, and is cuDNN's kernel in the graph of training?"""

from . import Failures, Form, Report
from .models import Shape, sequences, stock_model

CELLS = ("LSTM", "GRU", "SimpleRNN")
KERNELS = {"training": {"CudnnRNNV3", "CudnnRNNBackpropV3"}, "inference": {"CudnnRNNV3"}}
LOOPS = {"While", "StatelessWhile"}


def run(form: Form) -> Report:
    from errorflow.layers import watch

    failures, figures = Failures(), {}
    shape = form.choose(Shape(32, 100, 16, 32), Shape(4, 6, 3, 5))
    for cell in form.choose(CELLS, CELLS[:1]):
        with failures.guard(cell):
            model = watch(stock_model(cell, shape))
            figures[cell] = graphs(model, shape)
            failures += [f"{cell}, {text}" for text in wrong(figures[cell], form)]
        for jit in form.choose((False, True, "auto"), ()):
            with failures.guard(f"{cell}, fit with jit_compile={jit}"):
                fit(cell, shape, jit)
    loops = {cell: about["loop"] for cell, about in figures.items()}
    same = len(set(loops.values())) == 1
    summary = "; ".join(f"{cell}: {loop}" for cell, loop in loops.items())
    return Report(next(iter(loops.values())) if same else summary, figures, failures)


def graphs(model, shape):
    """Return the loop of a layer and its reason, and the operations of both graphs."""
    import tensorflow as tf

    model.compile("sgd", "mse")
    x, y = map(tf.constant, sequences(shape))
    train = tf.function(lambda x, y: model.train_step((x, y)))
    infer = tf.function(lambda x: model(x, training=False))
    found = {
        "training": operations(train.get_concrete_function(x, y)),
        "inference": operations(infer.get_concrete_function(x)),
    }
    return {"loop": ": ".join(model.get_layer("recurrent").loop.latest)} | {
        kind: {
            "cudnn": sorted(name for name in names if "Cudnn" in name),
            "loops": sum(name in LOOPS for name in names),
            "operations": len(names),
        }
        for kind, names in found.items()
    }


def operations(concrete):
    """Return the kind of each operation of a graph, also in the functions that it calls."""
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return [node.op for node in nodes]


def wrong(about, form):
    """Return what of the graphs of a layer is not as it should be on this device."""
    for kind, kernels in KERNELS.items():
        found = set(about[kind]["cudnn"])
        if form.reduced and found:
            yield f"{kind}: {', '.join(found)} in the graph of a CPU"
        if not form.reduced and not kernels <= found:
            yield f"{kind}: no {' or '.join(sorted(kernels - found))} in the graph"
        if not form.reduced and about[kind]["loops"]:
            yield f"{kind}: {about[kind]['loops']} loops in the graph besides cuDNN's"


def fit(cell, shape, jit):
    """Train two steps."""
    import numpy as np
    from errorflow.layers import watch

    model = watch(stock_model(cell, shape))
    model.compile("sgd", "mse", jit_compile=jit)
    history = model.fit(*sequences(shape), batch_size=shape.batch // 2, verbose=0)
    if not np.isfinite(history.history["loss"][-1]):
        raise RuntimeError(f"the loss is {history.history['loss'][-1]}")
