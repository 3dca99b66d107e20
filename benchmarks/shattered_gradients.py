"""Do the gradients of deep networks resemble noise, with and without shortcuts?

    python benchmarks/shattered_gradients.py    # writes benchmarks/shattered_gradients.png

Figures 1 and 2 of D. Balduzzi et al., The shattered gradients problem (ICML 2017), measured with
`errorflow.layers.gradient_correlation`: df/dx of networks f from one number to one number, on a
grid of 256 inputs from -2 to 2, and its autocorrelation, the mean over networks with new weights.

Hidden layers have 200 rectifiers and weights of variance 2/200. The first is relu(w·x + b), with
kinks that are uniform over the grid, and variance 1. Then a feedforward network of depth L has L-1
layers relu(BN(W·h)), and a residual network L-1 blocks h + β·W·relu(BN(h)). BN has the statistics
of the grid.

The last panel is about inputs that have nothing in common, 64 orthogonal ones of 200 entries, for
which the theorems of the paper are made: the correlation of the gradients over depth, beside that
of a network of infinite width (`infinitely_wide`).
"""

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GRID, WIDTH, LAGS = 256, 200, 15
DEPTHS = (2, 4, 10, 24, 50)
PLAIN, RESIDUAL, SCALED = "feedforward", "residual, β = 1", "residual, β = 0.1"
BETA = {PLAIN: None, RESIDUAL: 1.0, SCALED: 0.1}
RAW = "residual, β = 1, no BN"
COLOURS = {PLAIN: "#d55e00", RAW: "#cc79a7", RESIDUAL: "#0072b2"}
BLOCKS = 24  # of the networks for orthogonal inputs


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="number of networks of each kind")
    picture = Path(__file__).with_suffix(".png")
    parser.add_argument("--picture", type=Path, default=picture, help="where to write the picture")
    return parser.parse_args()


def network(depth, beta, inputs=1, normalised=True):
    """Return a network of `depth` hidden layers; `beta` None: without shortcuts."""
    import keras

    def normalise(h):
        if not normalised:
            return h
        return keras.layers.BatchNormalization(momentum=0, scale=False, center=False)(h)

    def dense(name):
        return keras.layers.Dense(WIDTH, use_bias=name == "first", name=name)

    x = keras.Input((inputs,))
    h = keras.layers.ReLU()(dense("first")(x))
    for number in range(2, depth + 1):
        layer = dense(f"dense_{number}")
        if beta is None:
            h = keras.layers.ReLU()(normalise(layer(h)))
        else:
            h = h + beta * layer(keras.layers.ReLU()(normalise(h)))
    return keras.Model(x, keras.layers.Dense(1, use_bias=False, name="output")(h))


def draw_weights(model, random, x):
    """Draw all weights anew: variance 2/N, and kinks of the first layer uniform over the grid.

    The first layer is scaled so that the variance of its outputs over x is 1.
    """
    for layer in model.layers:
        if layer.name.startswith(("dense", "output")):
            layer.kernel.assign(random.normal(size=layer.kernel.shape) * np.sqrt(2 / WIDTH))
    first = model.get_layer("first")
    kernel = random.normal(size=first.kernel.shape)
    bias = -kernel[0] * random.uniform(-2, 2, WIDTH) if len(kernel) == 1 else np.zeros(WIDTH)
    scale = np.sqrt(np.maximum(x @ kernel + bias, 0).var(axis=0).mean())
    first.set_weights([kernel / scale, bias / scale])


def gradient(model, x):
    """Return df/dx [N]."""
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=False)
    return tape.gradient(y, x).numpy()[:, 0]


def on_the_grid(runs):
    """Return autocorrelations {kind: {depth: [runs, LAGS + 1]}}, and df/dx {(kind, depth): [N]}."""
    from errorflow.layers import gradient_correlation

    x = np.linspace(-2, 2, GRID, dtype="float32")[:, None]
    curves, gradients = {kind: {} for kind in BETA}, {}
    for kind, beta in BETA.items():
        for depth in (1, *DEPTHS) if kind == PLAIN else DEPTHS:
            model, rows = network(depth, beta), []
            for run in range(runs):
                draw_weights(model, np.random.default_rng([run, depth]), x)
                model(x, training=True)  # sets the moving statistics to those of the grid
                result = gradient_correlation(model, x, (), lags=LAGS)
                rows.append(result.autocorrelation[0])
            curves[kind][depth], gradients[kind, depth] = np.array(rows), gradient(model, x)
    return curves, gradients


def noise(runs):
    """Return white noise, and its sums, brown noise: {kind: [runs, N]}."""
    white = np.random.default_rng(0).normal(size=(runs, GRID))
    return {"brown noise": np.cumsum(white, axis=1), "white noise": white}


def autocorrelation(series):
    """Return the autocorrelation of series [runs, N], [runs, LAGS + 1]."""
    series = series - series.mean(axis=1, keepdims=True)
    products = [(series[:, : GRID - k] * series[:, k:]).sum(axis=1) for k in range(LAGS + 1)]
    return np.transpose(products / products[0])


def of_orthogonal_inputs(runs):
    """Return {kind: [runs, BLOCKS]} of correlations, at the layers in `layers_above`."""
    from errorflow.layers import gradient_correlation

    results = {}
    for kind in COLOURS:
        beta = None if kind == PLAIN else 1.0
        model = network(BLOCKS + 1, beta, inputs=WIDTH, normalised=kind != RAW)
        names, rows = [layer.name for layer in model.layers if layer.name[:5] == "dense"], []
        for run in range(runs):
            random = np.random.default_rng(run)
            directions, _ = np.linalg.qr(random.normal(size=(WIDTH, 64)))
            x = np.sqrt(WIDTH) * directions.T.astype("float32")
            draw_weights(model, random, x)
            model(x, training=True)
            result = gradient_correlation(model, x, names, lags=1)
            rows.append(result.correlation[:0:-1, 1])  # the first row is that of the input
        results[kind] = np.array(rows)
    return results


def layers_above(kind):
    """Return the numbers of rectifiers between a gradient and the output, [BLOCKS]."""
    return np.arange(BLOCKS) + (kind == PLAIN)  # its own rectifier, but not that of the next block


def infinitely_wide(kind):
    """Return the correlation that `of_orthogonal_inputs` has at infinite width, [BLOCKS].

    A layer multiplies Σ g·g' by p = P(both active) / P(active), and a block by 1 + p/v relative to
    1 + 1/v for ‖g‖², where v is the variance of h over the batch if it is normalised, otherwise 1.
    Normalised inputs of a layer stay uncorrelated, p = 1/2; otherwise p = 1 - θ/π.
    """
    if kind == PLAIN:
        return 0.5 ** layers_above(kind)
    factors, variance, cosine = [], 1.0, after_rectifier(0.0)
    for _ in range(BLOCKS):
        if kind == RESIDUAL:
            factors.append((1 + 0.5 / variance) / (1 + 1 / variance))
            variance += 1 - 1 / np.pi  # that of W·relu(z) without its mean over the batch
        else:
            factors.append((2 - np.arccos(cosine) / np.pi) / 2)
            cosine = (cosine + after_rectifier(cosine)) / 2
    return np.array([np.prod(factors[place:]) for place in range(1, BLOCKS + 1)])[::-1]


def after_rectifier(cosine):
    """Return E[relu(a)·relu(b)] / E[relu(a)²] of two Gaussians (Cho and Saul 2009)."""
    angle = np.arccos(cosine)
    return (np.sin(angle) + (np.pi - angle) * cosine) / np.pi


def draw(curves, gradients, noises, depth_curves):
    """Return the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.5, 6), layout="constrained")
    above, below = figure.subplots(2, 5)
    shown = {"feedforward, 1 layer": gradients[PLAIN, 1]}
    shown |= {"feedforward, 24 layers": gradients[PLAIN, 24]}
    shown |= {"residual, 50 layers, β = 0.1": gradients[SCALED, 50]}
    shown |= {kind: series[0] for kind, series in noises.items()}
    draw_gradients(above, shown)
    for axes, kind in zip(below, curves, strict=False):
        depths = {depth: rows for depth, rows in curves[kind].items() if depth in DEPTHS}
        draw_autocorrelations(axes, kind, {f"{d} layers": rows for d, rows in depths.items()})
    below[2].legend(frameon=False, fontsize="small", loc="lower left")  # for all three
    of_noise = {kind: autocorrelation(series) for kind, series in noises.items()}
    draw_autocorrelations(below[3], "noise", of_noise)
    below[3].legend(frameon=False, fontsize="small", loc="lower left")
    draw_depth(below[4], depth_curves)
    for axes in (*above, *below):
        axes.grid(color="#e0e0e0", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_gradients(panels, shown):
    for axes, (title, values) in zip(panels, shown.items(), strict=True):
        is_noise = title.endswith("noise")
        x = np.arange(GRID) if is_noise else np.linspace(-2, 2, GRID)
        axes.plot(
            x,
            (values - values.mean()) / values.std(),
            color="#707070" if is_noise else "black",
            linewidth=0.9,
        )
        axes.set(xlabel="sample" if is_noise else "input x", ylim=(-4.5, 4.5))
        axes.set_title(title, loc="left")
    panels[0].set_ylabel("df/dx, standardised")


def draw_autocorrelations(axes, title, curves):
    from matplotlib import colormaps

    for place, (label, rows) in enumerate(curves.items()):
        colour = colormaps["viridis"](0.9 * place / (len(curves) - 1))
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        axes.plot(mean, color=colour, marker="osD^v"[place], markersize=4, label=label)
        axes.fill_between(
            range(LAGS + 1), mean - deviation, mean + deviation, color=colour, alpha=0.15
        )
    axes.axhline(0, color="#a0a0a0", linewidth=0.8)
    axes.set(xlabel="lag, grid points", ylabel="autocorrelation of df/dx", ylim=(-0.55, 1.05))
    axes.set_title(title, loc="left")


def draw_depth(axes, curves):
    for kind, rows in curves.items():
        colour, layers = COLOURS[kind], layers_above(kind)
        axes.plot(layers, rows.mean(axis=0), ".", color=colour, label=kind)
        axes.plot(layers, infinitely_wide(kind), "--", color=colour, linewidth=1)
    axes.plot([], [], "--", color="#707070", label="infinitely wide")
    axes.set_title("orthogonal inputs", loc="left")
    axes.set(xlabel="rectifiers up to the output", ylabel="correlation of gradients")
    axes.set(yscale="log", ylim=(0.006, 1.15))
    axes.legend(frameon=False, fontsize="small", loc="lower right", bbox_to_anchor=(1.03, 0.17))


def report(curves, noises, depth_curves):
    """Print the autocorrelations at lags 1, 5 and 10, and the correlations of orthogonal inputs."""
    print("autocorrelation at lags 1, 5 and 10: mean over the networks (standard deviation)")
    named = {
        f"{kind}, {depth} layers": rows for kind in curves for depth, rows in curves[kind].items()
    }
    named |= {kind: autocorrelation(series) for kind, series in noises.items()}
    for name, rows in named.items():
        cells = (f"{rows[:, k].mean():6.2f} ({rows[:, k].std():.2f})" for k in (1, 5, 10))
        print(name.ljust(30), *cells)
    print(
        "correlation of orthogonal inputs, measured and infinitely wide, at 1, 2, 4, 8, 16 layers"
    )
    for kind, rows in depth_curves.items():
        mean, limit = rows.mean(axis=0), infinitely_wide(kind)
        places = [[*layers_above(kind)].index(count) for count in (1, 2, 4, 8, 16)]
        print(kind.ljust(30), *(f"{mean[k]:7.3f} {limit[k]:.3f}" for k in places))


def main():
    args = options()
    curves, gradients = on_the_grid(args.runs)
    noises, depth_curves = noise(args.runs), of_orthogonal_inputs(args.runs)
    report(curves, noises, depth_curves)
    draw(curves, gradients, noises, depth_curves).savefig(args.picture, dpi=110)
    print(args.picture)


if __name__ == "__main__":
    main()
