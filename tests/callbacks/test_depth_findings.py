"""Findings on the error over depth: on known histories, and on small trainings."""

import keras
import numpy as np
import pytest
from errorflow.callbacks import DepthFlow
from errorflow.callbacks.findings.depth_flow import depth_findings
from errorflow.layers import ResidualBlock

N = 50


def history(rms, paths=None, adds_to="b"):
    """Of layers "a", "b", … with these errors, [L] or [N, L]; and of paths by name, [N] or one."""
    rms = np.broadcast_to(np.asarray(rms, np.float32), [N, np.shape(rms)[-1]])
    of_paths = [np.broadcast_to(np.float32(error), [N]) for error in (paths or {}).values()]
    return {
        "step": np.arange(1, N + 1),
        "skipped": np.zeros(N, bool),
        "layers": [*"abcdefgh"][: rms.shape[1]],
        "outputs": [],
        "rms": rms,
        "paths": [*(paths or {})],
        "adds_to": [adds_to] * len(of_paths),
        "path_rms": np.stack(of_paths, axis=1) if of_paths else np.zeros([N, 0], np.float32),
    }


@pytest.mark.parametrize(
    ("growth", "kind", "headline", "text"),
    [
        (
            0.1,
            "exploding over depth",
            "exploding over depth: first layers' error 1e6× the last's",
            "the error explodes over depth: the error ‖dE/da‖ at the output of the first 2 of 8 "
            "layers is 1e6 times that at the output of the last 2 (median of the last 10 ",
        ),
        (
            10.0,
            "starving",
            "starving: first layers' error 1e-6 of the last's",
            "hardly any error reaches the first layers: the error ‖dE/da‖ at the output of the "
            "first 2 of 8 layers is 1e-6 times that at the output of the last 2 (median of ",
        ),
    ],
)
def test_error_that_changes_over_depth(growth, kind, headline, text):
    (finding,) = depth_findings(history(growth ** np.arange(8)))
    assert (finding.kind, finding.headline, finding.severity) == (kind, headline, "trouble")
    assert finding.text.startswith(text)
    assert "is this error times its input" in finding.meaning  # not what LayerGradients says
    assert finding.remedies
    assert depth_findings(history(growth ** (np.arange(8) / 4))) == []  # 30 times over all layers


def test_first_layers_that_were_reached_only_later():
    rms = np.ones([N, 8])
    rms[:20, :2] = 1e-4
    (finding,) = depth_findings(history(rms))
    assert (finding.kind, finding.fault) == ("starved earlier", "starving")
    assert finding.text.startswith("hardly any error reached the first layers in 40% of the ")
    assert finding.evidence["until"] == 20


def test_a_path_through_which_hardly_any_error_comes_back():
    silent = np.where(np.arange(N) < 4, 1.0, 1e-5)
    paths = {"c (branch)": 2.0, "c (shortcut)": 2 * silent}
    (finding,) = depth_findings(history([1.0, 2.0, 1.0, 1.0], paths))
    assert (finding.layer, finding.kind, finding.confidence) == ("c", "silent path", 1.0)
    assert finding.first_sentence == (
        "c: hardly any error has come back through its path “shortcut” since training step 5: "
        "1e-5 times the error ‖dE/da‖ of the tensor that it reads (median of the last 10 recorded "
        "training steps)"
    )
    assert finding.headline == "silent path: 1e-5 of the error comes back through it"
    assert depth_findings(history([1.0, 1e5, 1e3, 1e3], {"c (branch)": 1e5, "c (pool)": 50})) == []


def test_several_silent_paths_are_one_finding():
    paths = {f"c ({n})": 0.0 for n in range(4)} | {"c (pool)": 1.0}
    (finding,) = depth_findings(history(np.ones(4), paths))
    assert finding.headline == "silent: 4 paths, at most 0 of the error comes back through each"
    assert finding.text.startswith(
        "hardly any error comes back through c (0), c (1), c (2) and 1 more path: at most 0 times "
    )
    of_tensor = history([1.0, 0.0, 1.0, 1.0], dict.fromkeys(paths, 0.0))
    assert [one.kind for one in depth_findings(of_tensor)] == ["no error"]  # not by the paths


def test_the_output_of_the_model_is_not_compared():
    of = history([1.0, 1.0, 1.0, 1.0, 1e4, 1e5])
    assert [finding.kind for finding in depth_findings(of)] == ["starving"]
    assert depth_findings(of | {"outputs": ["e", "f"]}) == []


def test_the_input_of_a_block_is_no_path():
    paths = {"c (input)": 0.0, "c (branch)": 0.0}
    of = history(np.ones(4), paths) | {"adds_to": ["", "c (input)"]}
    assert depth_findings(of) == []


def test_layers_that_no_error_reaches():
    rms = np.ones([N, 8])
    rms[30:, :2] = 0.0
    (finding,) = depth_findings(history(rms))
    assert finding.kind == "no error"
    assert finding.sentence.startswith(
        "no error reaches the outputs of a and b in the last 10 recorded training steps, nor has "
        "any since training step 31. What lies before these outputs learns nothing"
    )
    (finding,) = depth_findings(history(np.zeros(8)))
    assert finding.headline == "no error in any layer in the last 10 training steps"
    (finding,) = depth_findings(history([0.0, 1.0, 1.0, 1.0, 1.0]))
    assert (finding.layer, finding.headline) == ("a", "no error in the last 10 training steps")


# Small trainings


def recorded(model, steps=12):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(4 * steps, 8, 8, 3)), random.integers(0, 10, 4 * steps)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    flow = DepthFlow()
    model.fit(x, y, 4, verbose=0, callbacks=[flow])
    assert flow.failure is None
    return flow


def of_images(layers):
    keras.utils.set_random_seed(0)
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, *head])


def convolutions(count, activation="relu", initializer="he_normal"):
    options = {"padding": "same", "kernel_initializer": initializer}
    return [keras.layers.Conv2D(6, 3, activation=activation, **options) for _ in range(count)]


def test_a_small_plain_network_has_no_fault():
    flow = recorded(of_images(convolutions(6)))
    assert flow.history["outputs"] == flow.history["layers"][-1:]
    assert flow.findings() == []


def test_a_deep_plain_network_starves():
    flow = recorded(of_images(convolutions(12, "tanh", keras.initializers.VarianceScaling(0.2))))
    (finding,) = flow.findings()
    assert finding.kind == "starving"
    first, last = flow.history["rms"][-1][[0, -1]]
    assert first < 1e-3 * last


def test_a_branch_that_is_dead_is_a_silent_path():
    block = ResidualBlock(6, normalization=None, name="block")
    model = of_images([*convolutions(2), block, *convolutions(1)])
    block.units[0].convolution.bias.assign([-99.0] * 6)
    (finding,) = recorded(model).findings()
    assert (finding.layer, finding.kind) == ("block", "silent path")
    assert "its path “branch”" in finding.text
