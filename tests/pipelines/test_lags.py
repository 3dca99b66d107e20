"""The long-lag problems: sequences, correctness, the criterion of success, and the pipeline."""

import dataclasses
import functools
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.config_files import dump_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import write_text
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.datasets.lags import sequential_digits as pixels
from errorflow.pipelines.datasets.lags.notation import format_sequence, parse_sequence
from errorflow.pipelines.datasets.lags.problems import LagSequences, Problem, make_problem
from errorflow.pipelines.lags import table as lags_table
from errorflow.pipelines.lags.batches import EndlessBatches
from errorflow.pipelines.lags.config import LagsConfig
from errorflow.pipelines.lags.training import Success, wrong
from errorflow.pipelines.models.serving import load
from tasks import errorflow

SMALL = ["--units", "4", "--steps", "20"]


def drawn(lag_problem: Problem, count: int = 300) -> LagSequences:
    return lag_problem.draw(np.random.default_rng(4), count)


def words(lag_problem: Problem, x: np.ndarray) -> list[str]:
    """Return the symbols of a one-hot sequence [W, D]."""
    length = int(x.sum())
    assert np.array_equal(x.sum(axis=1), np.arange(len(x)) < length)
    return [lag_problem.symbols[i] for i in x[:length].argmax(axis=1)]


@functools.cache
def digits():
    """The problem, which takes a second to read, its validation and its test part."""
    return pixels.load_digit_sequences()


# Sequences


def test_adding_marks_two_early_numbers_and_the_target_is_their_sum():
    lag_problem = make_problem("adding", 40)
    lengths, places, zeroed = set(), set(), 0
    for (numbers, marks), (target,) in zip(
        drawn(lag_problem).x.transpose(0, 2, 1), drawn(lag_problem).y, strict=True
    ):
        length = int(np.flatnonzero(marks == -1)[-1]) + 1
        first, second = np.flatnonzero(marks == 1)
        expected = np.zeros(len(marks))
        expected[[0, length - 1]] = -1
        expected[[first, second]] = 1
        np.testing.assert_array_equal(marks, expected)
        assert first < 10
        assert second < 20
        assert not np.any(numbers[length:])
        assert np.all(np.abs(numbers) <= 1)
        assert np.all(numbers[1:length] != 0)
        assert (numbers[0] == 0) == (first == 0)
        assert target == pytest.approx(0.5 + (numbers[first] + numbers[second]) / 4, abs=1e-6)
        lengths.add(length)
        places |= {int(first), int(second)}
        zeroed += first == 0
    assert lengths == {40, 41, 42, 43, 44}
    assert places == set(range(20))
    assert 0 < zeroed < 100


@pytest.mark.parametrize(
    ("name", "windows"),
    [("order-6a", [(10, 20), (50, 60)]), ("order-6b", [(10, 20), (33, 43), (66, 76)])],
)
def test_order_depends_only_on_the_symbols_in_the_windows(name, windows):
    lag_problem = make_problem(name)
    places_of_windows = [set() for _ in windows]
    lengths, classes = set(), set()
    for x, y in zip(*drawn(lag_problem), strict=True):
        text = "".join(words(lag_problem, x))
        assert re.fullmatch("E[abcdXY]+B", text)
        positions = [match.start() for match in re.finditer("[XY]", text)]
        for place, (low, high), places in zip(positions, windows, places_of_windows, strict=True):
            assert low <= place <= high
            places.add(place)
        assert sorted(y) == [0] * (len(y) - 1) + [1]
        assert lag_problem.labels[y.argmax()] == "".join(text[place] for place in positions)
        lengths.add(len(text))
        classes.add(int(y.argmax()))
    assert places_of_windows == [set(range(low, high + 1)) for low, high in windows]
    assert lengths == set(range(100, 111))
    assert len(classes) == 2 ** len(windows)


@pytest.mark.parametrize("name", ["lag-2a", "lag-2b"])
def test_the_last_symbol_of_a_lag_equals_the_first(name):
    lag_problem = make_problem(name, 20)
    in_order = [f"a{n}" for n in range(1, 20)]
    starts, between = set(), set()
    for x, y in zip(*drawn(lag_problem), strict=True):
        first, *middle = words(lag_problem, x)
        assert words(lag_problem, y) == [*middle, first]
        starts.add(first)
        between.add(tuple(middle))
    assert starts == {"x", "y"}
    if name == "lag-2a":
        assert between == {tuple(in_order)}
    else:
        assert len(between) == 300
        assert set().union(*between) == set(in_order)


def test_digits_are_those_of_scikit_learn_row_by_row():
    from sklearn.datasets import load_digits

    lag_problem, validation, test = digits()
    bunch = load_digits()
    digit_of = {tuple(row): digit for row, digit in zip(bunch.data, bunch.target, strict=True)}
    for part in (drawn(lag_problem, 50), validation, test):
        assert part.x.shape[1:] == (64, 1)
        labels = [digit_of[tuple(np.round(16 * x[:, 0]))] for x in part.x]
        assert labels == part.y.argmax(axis=1).tolist()


def test_sequences_depend_on_the_seed_and_the_epoch():
    lag_problem = make_problem("adding", 20)

    def first(seed: int, epoch: int):
        return next(iter(EndlessBatches(lag_problem, 4, seed, epoch).dataset()))[0].numpy()

    np.testing.assert_array_equal(first(1, 2), first(1, 2))
    assert np.any(first(1, 2) != first(1, 3))
    assert np.any(first(1, 2) != first(2, 2))


# Correctness


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["adding", "order-6a", "lag-2a", "lag-2b"])
def test_a_sequence_is_correct_if_every_judged_output_is_within_the_tolerance(name, compiled):
    lag_problem = make_problem(name, None if name == "order-6a" else 20)
    y = np.repeat(drawn(lag_problem, 1).y, 5, axis=0)
    y[..., -1] = 0  # where the errors go: there they are exact
    tolerance = np.float32(lag_problem.tolerance)
    below, above = np.nextafter(tolerance, [np.float32(0), np.float32(1)])
    count = tf.function(wrong(lag_problem), jit_compile=compiled)
    errors = [below, -below, tolerance, above, np.nan]
    outputs = y.copy()
    outputs.reshape(5, -1)[:, -1] += errors
    np.testing.assert_array_equal(count(y, outputs), [0, 0, 1, 1, 1])
    if lag_problem.every_step:
        outputs = y.copy()
        outputs[:, 3, -1] += errors
        expected = [0, 0, 1, 1, 1] if name == "lag-2a" else [0] * 5
        np.testing.assert_array_equal(count(y, outputs), expected)


def test_without_a_criterion_the_argmax_counts_and_nan_is_wrong():
    lag_problem = dataclasses.replace(make_problem("order-6a"), in_a_row=0)
    y = np.eye(4, dtype="float32")[[0, 0, 0, 2]]
    outputs = [[0.4, 0.3, 0.3, 0], [0.3, 0.4, 0.3, 0], [np.nan] * 4, [0, 0, 0.6, 0.4]]
    np.testing.assert_array_equal(wrong(lag_problem)(y, np.array(outputs, "float32")), [0, 1, 1, 0])


# Success


def lazy(targets, **more) -> Problem:
    """A problem with targets `answers(random, N)`; zeros are correct where they are 0."""

    def draw(random, count):
        y = np.reshape(targets(random, count), [count, 1])
        return LagSequences(np.ones([count, 3, 1], np.float32), y.astype(np.float32))

    return Problem("lazy", "", (), (), 3, 3, draw, in_a_row=30, epoch=22, **more)


def always_right(random, count):
    return np.zeros(count)


def fit(folder: Path, lag_problem: Problem, epochs: int, done: int = 0) -> tuple[dict, list[int]]:
    """The result and the rows' `in_a_row` of a network that never changes, by batches of 4."""
    run = RunFolder(folder / "lags" / "lazy")
    run.path.mkdir(parents=True, exist_ok=True)
    run.update(status="running")
    feed = EndlessBatches(lag_problem, 4, seed=7)
    series = keras.Input([None, 1])
    y = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.GlobalMaxPooling1D()(series))
    model = keras.Model(series, y)
    metrics = [keras.metrics.MeanMetricWrapper(wrong(lag_problem), name="wrong")]
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=metrics, jit_compile=False)
    set_epoch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(feed, "epoch", epoch)
    )
    success = Success(run, replace(LagsConfig(), batch_size=4, seed=7), lag_problem)
    history = model.fit(
        feed.dataset(),
        epochs=epochs,
        initial_epoch=done,
        callbacks=[set_epoch, success],
        shuffle=False,
        verbose=0,
    )
    result = {key: run.results()[key] for key in ("solved", "sequences")}
    return result, history.history.get("in_a_row", [])


def test_success_counts_sequences_across_epochs(tmp_path, capsys):
    # 22 sequences an epoch are 5 batches of 4; the 30 in a row are there with the 8th batch.
    assert fit(tmp_path, lazy(always_right), 9) == ({"solved": True, "sequences": 32}, [20, 32])
    assert capsys.readouterr().out == "lazy: solved after 32 sequences\n"


def test_a_wrong_sequence_resets_the_row(tmp_path):
    def sometimes(random, count):
        return random.random(count) < 0.05

    batches, row, longest = 0, 0, []
    while row < 30:
        epoch, batch = divmod(batches, 5)
        if batch == 0:
            random = np.random.default_rng([7, epoch])
            longest.append(max([0, *longest]))
        row = 0 if sometimes(random, 4).any() else row + 4
        longest[-1] = max(longest[-1], row)
        batches += 1
    assert batches == 22  # where all are right, 8 are enough
    result = fit(tmp_path, lazy(sometimes), len(longest) + 3)
    assert result == ({"solved": True, "sequences": 4 * batches}, longest)


def test_new_sequences_must_be_correct_too(tmp_path):
    said = [1, 0, 1, 0, 0]  # of 512, and if they are right of 88 more

    def fresh_are_wrong(random, count):
        return np.full(count, said.pop(0) if count in (512, 88) else 0)

    # Wrong are the first 512, then the 88 after right ones, then none: three batches tried.
    results, rows = fit(tmp_path, lazy(fresh_are_wrong, tested=600), 9)
    assert results == {"solved": True, "sequences": 40}
    assert rows == [20, 40 + 600]  # the row that solves it is the longest of all
    assert said == []


def test_a_solved_run_stays_solved_when_resumed(tmp_path):
    solved = {"solved": True, "sequences": 32}
    fit(tmp_path, lazy(always_right), 9)
    assert fit(tmp_path, lazy(always_right), 2, done=2) == (solved, [])  # no epoch is left
    assert fit(tmp_path, lazy(always_right), 9, done=2)[0] == solved


def test_a_network_that_is_always_wrong_does_not_solve_the_problem(tmp_path):
    results, rows = fit(tmp_path, lazy(lambda random, count: np.ones(count)), 2)
    assert results == {"solved": False, "sequences": 40}
    assert rows == [0, 0]


# Notation


def lag_problem(name: str) -> Problem:
    return digits()[0] if name == "digits" else make_problem(name)


@pytest.mark.parametrize("name", ["adding", "order-6b", "lag-2b", "digits"])
def test_reading_inverts_writing(name):
    for x in drawn(lag_problem(name), 5).x:
        again = parse_sequence(lag_problem(name), format_sequence(lag_problem(name), x))
        assert again.dtype == np.float32
        np.testing.assert_allclose(again, x[: len(again)], atol=0.005001)
        assert not np.any(x[len(again) :])


def test_the_ends_of_an_adding_sequence_are_marked_unless_they_are_summands():
    values = parse_sequence(make_problem("adding"), "0.3 -0.5* 0.9 1*")
    np.testing.assert_allclose(values, [[0.3, -1], [-0.5, 1], [0.9, 0], [1, 1]])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("adding", " ", "an empty sequence has no answer"),
        ("adding", "0.3 two*", r"'two' is not a number; a sequence looks like 0\.3 -0\.5\*"),
        ("adding", "0.3 nan*", "'nan' is not a number"),
        ("order-6a", "EaZB", "'Z' is not a symbol of order-6a; there are: a b c d … X Y E B"),
        ("lag-2a", "x a1 a100", "'a100' is not a symbol of lag-2a; .*: a1 a2 a3 a4 … a98 a99 x y"),
        ("digits", "1 2 3", "a digit is 64 numbers from 0 to 16, got 3 from 1 to 3"),
        ("digits", "17 " * 64, "a digit is 64 numbers from 0 to 16, got 64 from 17 to 17"),
        ("digits", "nan " * 64, "'nan' is not a number; a sequence looks like 0 0 5 13"),
    ],
)
def test_unreadable_sequences_are_rejected(name, text, message):
    with pytest.raises(UserError, match=f"^{message}"):
        parse_sequence(lag_problem(name), text)


# The pipeline


@pytest.fixture
def where(finished_run):
    with finished_run("lags") as folder:
        yield folder


@pytest.fixture
def run(where) -> RunFolder:
    return RunFolder(where / "lags" / "a")


def lags(run_dir: Path, verb: str, *flags: str) -> int:
    return errorflow("lags", verb, run_dir, *flags)


@pytest.fixture(scope="module")
def lag(tmp_path_factory) -> RunFolder:
    """A finished run of a network that has an output at every step."""
    folder = tmp_path_factory.mktemp("lag")
    flags = ["--name", "lag", "--problem", "lag-2a", "--batch-size", "50", "--epochs", "1"]
    assert lags(folder, "train", *flags, *SMALL) == 0
    return RunFolder(folder / "lags" / "lag")


def test_the_sequences_of_a_training_are_counted(run):
    results = run.results()
    assert (results["solved"], results["sequences"]) == (False, 2 * 62 * 16)


def test_predict_prints_the_output_and_the_sum(where, run, capsys):
    lines = ["0.3 -0.5* 0.9 0.1*", "0 1* 1* " + "0.2 " * 18 + "0.2"]
    assert lags(where, "predict", "--name", "a", *lines) == 0
    model = load(run.best)
    for line, printed in zip(lines, capsys.readouterr().out.splitlines(), strict=True):
        value = float(model(parse_sequence(make_problem("adding", 20), line)[None])["value"][0, 0])
        assert printed == f"{line}\t{value:.3f}\tsum {4 * (value - 0.5):.3f}"


def test_predict_uses_the_last_output_of_a_network_with_outputs_at_every_step(lag, capsys):
    line = "x " + " ".join(f"a{n}" for n in range(1, 20))
    capsys.readouterr()
    assert lags(lag.path.parent.parent, "predict", line) == 0
    x = parse_sequence(make_problem("lag-2a", 20), line)
    p = load(lag.best).get_layer("core")(x[None])[0]
    assert p.shape == (20, 21)
    label = make_problem("lag-2a", 20).labels[np.argmax(p[-1])]
    assert capsys.readouterr().out == f"{line}\t{label} {np.max(p[-1]):.3f}\n"


def test_direct_connections_count_in_the_output(lag):
    """The last input, times 100, is an input of the output layer beside the recurrent layer."""
    core = load(lag.best).get_layer("core")
    kernel = core.get_layer("probabilities").get_weights()[0]
    assert kernel.shape == (21 + 4, 21)
    x = np.eye(21, dtype="float32")[None, [19, 0, 1, 2]]
    direct = 100 * kernel[:21]
    h = core.get_layer("rnn_1")(x)[0]
    expected = keras.ops.softmax(x[0] @ direct + h @ kernel[21:] + core.get_weights()[-1])
    np.testing.assert_allclose(core(x)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--steps", "5"], "--steps 5: must be 20 or more"),
        (["train", "--problem", "order-6a", "--steps", "50"], "order-6a has 100 to 110 steps"),
        (["train", "--problem", "digits", "--steps", "10"], "left out: a digit has 64, got 10"),
        (["train", "--resume", "--name", "a", "--chrono", "0"], "chrono (1.0 → 0.0)"),
        (["table", "nonsense"], "no row 'nonsense'; the rows: adding-100, adding-500"),
        (["predict", " "], "one of them is empty"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_run(where, arguments, message, capsys):
    before = sorted((where / "lags").iterdir())
    assert lags(where, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted((where / "lags").iterdir()) == before


def test_the_number_of_sequences_has_no_limit():
    """The doctor, which has a --limit, would otherwise say that it trained on fewer."""
    with pytest.raises(UserError, match="--limit: the lags have none"):
        replace(LagsConfig(), limit=9).check()


def test_an_unknown_symbol_is_a_one_line_error(lag, capsys):
    assert lags(lag.path.parent.parent, "predict", "x a1 b") == 3
    assert "'b' is not a symbol of lag-2a" in capsys.readouterr().err.splitlines()[-1]


# The table


def test_the_table_trains_only_missing_and_unfinished_runs(tmp_path, monkeypatch, capsys):
    trained: list[LagsConfig] = []
    resumed: list[RunFolder | None] = []

    def train(task, config: LagsConfig, resume: RunFolder | None = None):
        trained.append(config)
        resumed.append(resume)
        run = RunFolder(config.run.run_dir / "lags" / str(config.run.name))
        run.backup.mkdir(parents=True, exist_ok=True)
        write_text(run.config_file, dump_config(config))
        seed = config.optimisation.seed
        run.update(status="finished", solved=seed < 3, sequences=1000 * seed)

    def table(*flags: str) -> tuple[list[str], list[str]]:
        trained.clear()
        resumed.clear()
        assert lags(tmp_path, "table", *flags) == 0
        lines = capsys.readouterr().out.splitlines()
        (row,) = [line for line in lines if line.split()[:1] == [flags[0]]]
        return row.split(), [str(config.run.name) for config in trained]

    monkeypatch.setattr(lags_table, "train", train)
    flags = ["order-6a", "--models", "gru", "--seeds", "1", "2"]
    names = [f"table-order-6a-gru-{seed}" for seed in (1, 2, 3)]
    row = ["order-6a", "31,390", "gru", "2", "of", "2", "1,000", "2,000", "4.8%"]
    assert table(*flags) == (row, names[:2])
    first, second = trained
    assert (first.data.problem, first.network.model) == ("order-6a", "gru")
    assert second.optimisation.seed == 2
    assert table(*flags) == (row, [])

    shutil.rmtree(tmp_path / "lags" / names[0])
    assert table(*flags) == (row, names[:1])
    assert resumed == [None]
    RunFolder(tmp_path / "lags" / names[1]).update(status="interrupted")
    assert table(*flags) == (row, names[1:2])
    assert resumed == [RunFolder(tmp_path / "lags" / names[1])]

    unsolved = [*row[:3], "2", "of", "3", "1,000", "2,000", ">3,000", "–"]
    assert table(*flags, "3") == (unsolved, names[2:])
    assert table("lag-2b", "--models", "lstm", "--seeds", "1")[1] == ["table-lag-2b-lstm97-1"]
    assert trained[0].network.model == "lstm97"


def test_a_cell_of_the_table_is_a_run_that_predict_can_use(tmp_path, monkeypatch, capsys):
    tiny = {"problem": "order-6a", "epochs": 1, "units": 2, "batch_size": 500, "jit": "off"}
    monkeypatch.setattr(lags_table, "ROWS", {"order-6a": tiny})
    for is_trained in (True, False):
        assert lags(tmp_path, "table", "--models", "rnn", "--seeds", "1") == 0
        out, err = capsys.readouterr()
        assert "0 of 1" in out
        assert ">1,000" in out
        assert ("training" in err) == is_trained
    run = RunFolder(tmp_path / "lags" / "table-order-6a-rnn-1")
    assert run.status == "finished"
    assert (run.plots / "error_flow.png").exists()
    assert not (run.plots / "gates.png").exists()
    assert lags(tmp_path, "predict", "E" + 100 * "a" + "B") == 0
    assert re.search(r"B\t[XY]{2} 0\.\d{3}\n", capsys.readouterr().out)
