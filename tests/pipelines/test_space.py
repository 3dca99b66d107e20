"""Search spaces: as keras-tuner's hyperparameters, narrowed by a file, and those of the tasks."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errorflow.pipelines.core.config import TrainingConfig, flat, replace, setting_types
from errorflow.pipelines.core.config_files import load_yaml, strict
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.space import Choice, Range, Space, size
from errorflow.pipelines.core.space_file import narrow
from errorflow.pipelines.images.config import ImagesConfig
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.search.hyperparameters import suggest

SMALL: Space = {
    "model": Choice("bag", "rnn", "lstm"),
    "layers": Range(1, 3, when={"model": ("rnn", "lstm")}),
    "bidirectional": Choice(False, True, when={"model": ("lstm",)}),
    "embedding": Choice(8, 16, when={"bidirectional": (True,), "layers": (2, 3)}),
}


def through_a_file(hp: Any) -> Any:
    """A copy that was written and read, as an oracle does."""
    return type(hp).from_config(json.loads(json.dumps(hp.get_config())))


def draw(space: Space, seed: int = 0, **fixed: Any) -> dict[str, Any]:
    """Random values, drawn as `RandomSearch` does, but for those that are `fixed`."""
    from keras_tuner import HyperParameters

    declared, drawn = HyperParameters(), HyperParameters()
    suggest(space, declared)
    for number, hp in enumerate(declared.space):
        drawn.merge([hp])
        if drawn.is_active(hp):
            drawn.values[hp.name] = fixed.get(hp.name, hp.random_sample(1000 * seed + number))
    return suggest(space, through_a_file(drawn))


@pytest.fixture
def left(tmp_path):
    """(text of a space file) → the remaining space, and the config with the fixed settings."""

    def read(text: str, space: Space = SMALL, config: TrainingConfig | None = None):
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
        return narrow(space, load_yaml(file), file.name, config or NamesConfig())

    return read


# Drawing values


@pytest.mark.parametrize(
    ("fixed", "active"),
    [
        ({"model": "bag"}, {"model"}),
        ({"model": "rnn"}, {"model", "layers"}),
        ({"model": "lstm", "layers": 1}, {"model", "layers", "bidirectional"}),
        ({"model": "lstm", "bidirectional": False}, {"model", "layers", "bidirectional"}),
        ({"model": "lstm", "bidirectional": True, "layers": 3}, {*SMALL}),
    ],
)
def test_a_key_is_drawn_only_where_all_its_conditions_hold(fixed, active):
    drawn = draw(SMALL, **fixed)
    assert {*drawn} == active
    assert fixed.items() <= drawn.items()


@pytest.mark.parametrize("values", [(None, True, 0.5, "x"), (True, False), (True,), (1, 1.0), (3,)])
def test_every_value_comes_back_with_its_type(values):
    drawn = {repr(draw({"key": Choice(*values)}, seed)["key"]) for seed in range(40)}
    assert drawn == {repr(value) for value in values}


def test_a_condition_on_a_key_of_several_types_holds():
    space = {"dropout": Choice(None, 0.5), "units": Choice(1, 2, when={"dropout": (None,)})}
    drawn = [draw(space, seed) for seed in range(20)]
    assert {(one["dropout"], "units" in one) for one in drawn} == {(None, True), (0.5, False)}


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Range(2, 4), {2, 3, 4}),
        (Range(2, 8, step=3), {2, 5, 8}),
        (Range(2, 9, step=3), {2, 5, 8}),
        (Range(1, 8, step=2, log=True), {1, 2, 4, 8}),
        (Range(0, 0.5, step=0.1), {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}),
        (Range(0.001, 1, step=10, log=True), {0.001, 0.01, 0.1, 1.0}),
    ],
)
def test_exactly_the_numbers_of_a_range_are_drawn(domain, values):
    drawn = [draw({"key": domain}, seed)["key"] for seed in range(60)]
    assert {*drawn} == {*domain.values} == values
    assert {type(value) for value in drawn} == {type(domain.low)}


def test_a_logarithmic_range_is_drawn_evenly_over_the_powers_of_ten():
    drawn = [draw({"key": Range(1e-4, 1.0, log=True)}, seed)["key"] for seed in range(200)]
    assert 1e-4 <= min(drawn) < max(drawn) < 1
    assert np.mean(np.array(drawn) < 1e-2) == pytest.approx(0.5, abs=0.1)


def test_the_seed_determines_the_values():
    assert draw(SMALL, 3) == draw(SMALL, 3)
    assert len({repr(draw(SMALL, seed)) for seed in range(20)}) > 5


def test_the_values_of_a_config_are_defaults_where_the_space_contains_them():
    from keras_tuner import HyperParameters

    start = replace(
        NamesConfig(), model="lstm", layers=2, bidirectional=True, embedding=16, limit=None
    )
    space = {**SMALL, "limit": Choice(9, None), "units": Choice(1, 2)}  # units are 128
    own = {"model": "lstm", "layers": 2, "bidirectional": True, "embedding": 16, "limit": None}
    assert suggest(space, HyperParameters(), start) == own | {"units": 1}
    assert suggest(space, HyperParameters()) == {"model": "bag", "limit": 9, "units": 1}


def test_size_counts_every_combination_once():
    assert size(SMALL) == len({repr(draw(SMALL, seed)) for seed in range(500)}) == 1 + 3 + 3 + 3 + 2
    assert size({}) == 1
    assert size({**SMALL, "learning_rate": Range(0.1, 1.0)}) == math.inf
    never = Range(0.1, 1.0, when={"model": ("gru",)})
    assert size({**SMALL, "learning_rate": never}) == size(SMALL)


# Narrowed by a file


def test_a_file_has_fixed_values_choices_and_ranges(left):
    space, config = left(
        "layers: 2\nmodel: [rnn, lstm]\nunits: {low: 8, high: 64, step: 2, log: true}\n"
        "learning_rate: {low: 1, high: 2}\nembedding: [32]\n"
    )
    when = {"bidirectional": (True,)}
    assert space == {
        "model": Choice("rnn", "lstm"),
        "bidirectional": SMALL["bidirectional"],
        "embedding": Choice(32, when=when),
        "units": Range(8, 64, step=2, log=True),
        "learning_rate": Range(1.0, 2.0),
    }
    assert config == replace(NamesConfig(), layers=2)


def test_a_fixed_key_decides_the_conditions_on_it(left):
    space, config = left("model: lstm\nbidirectional: true")
    assert space == {"layers": Range(1, 3), "embedding": Choice(8, 16, when={"layers": (2, 3)})}
    assert (config.network.model, config.network.bidirectional) == ("lstm", True)
    space, _ = left("model: rnn")
    assert space == {"layers": Range(1, 3)}


def test_a_condition_on_a_key_that_is_not_always_searched_stays(left):
    space, _ = left("layers: [2, 3]")
    assert space["embedding"].when == SMALL["embedding"].when


def test_keys_that_the_space_does_not_have_are_searched_too(left):
    space, config = left("jit: [on, off]\nseed: 0\nbatch_size: [32, full]")
    assert space == {**SMALL, "jit": Choice("on", "off"), "batch_size": Choice(32, "full")}
    assert config.optimisation.seed == 0


def test_values_that_are_valid_only_with_the_fixed_ones_are_accepted(left):
    models: Space = {"model": Choice("lenet5", "resnet20")}
    space, config = left("model: resnet20\nimage_size: [8, 16]", models, ImagesConfig())
    assert space == {"image_size": Choice(8, 16)}
    assert config == replace(ImagesConfig(), model="resnet20")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unit: 3", "unknown key 'unit'; did you mean 'units'?"),
        ("name: x", "'name' is a flag (--name), not a key"),
        ("run_dir: [a, b]", "'run_dir' is a flag (--run-dir), not a key"),
        ("units: []", "key units: an empty list leaves nothing to choose"),
        ("units: [8, x]", "key units: expected a whole number, got 'x'"),
        ("units: [8, [9]]", "key units: expected a whole number, got [9]"),
        ("units: [8, 0]", "key units: --units (key units) must be 1 or more, got 0"),
        ("dropout: 1.0", "(key dropout) must be from 0 to below 1, got 1.0"),
        ("model: [lstm, lstn]", "key model: expected bag or rnn or lstm or gru, got 'lstn'"),
        ("limit: [null, 'None']", "key limit: expected a whole number or null, got 'None'"),
        ("dataset: [null, 'None']", "key dataset: two values are equal in None, None"),
        ("units: {low: 8}", "key units: a range needs low and high"),
        ("units: {low: 8, high: 9, stop: 1}", "key units: a range has no 'stop'; did you mean 'st"),
        ("units: {low: 9, high: 8}", "key units: low 9 is above high 8"),
        ("units: {low: 8, high: 9.5}", "key units: expected a whole number, got 9.5"),
        ("units: {low: 8, high: 9, log: 1}", "key units: expected true or false, got 1"),
        ("units: {low: 0, high: 9, log: true}", "key units: with log, low must be above 0, got 0"),
        ("units: {low: 8, high: 9, step: 0}", "key units: step must be above 0, got 0"),
        ("units: {low: 8, high: 9, step: 2}", "key units: step 2 is larger than the range, 8 to 9"),
        ("units: {low: 8, high: 9, step: 0.5}", "key units: expected a whole number, got 0.5"),
        ("units: {low: 8, high: 9, step: 1, log: true}", "key units: with log, step is a factor"),
        ("units: {low: 8, high: 15, step: 2, log: true}", "key units: step 2 is larger than the"),
        (
            "dropout: {low: 0, high: 1, step: 1e-9}",
            "key dropout: step 1e-09 divides the",
        ),
        ("units: {low: 0, high: 9}", "key units: --units (key units) must be 1 or more, got 0"),
        ("dropout: {low: 0, high: 1}", "key dropout: --dropout (key dropout) must be from 0"),
        ("dropout: {low: 0, high: .inf}", "key dropout: low and high must be finite"),
        ("dropout: {low: .nan, high: 0.5}", "key dropout: low and high must be finite"),
        ("batch_size: {low: 2, high: full}", "key batch_size: low and high must be numbers"),
        ("bidirectional: {low: false, high: true}", "key bidirectional: low and high must be num"),
        ("model: bag\nlayers: [1, 2]", "key layers: it is searched only where model is rnn or lst"),
        ("model: lstm\nlayers: 2\nbidirectional: false", "leaves nothing to search"),
        ("model: [bag]", "leaves nothing to search"),
    ],
)
def test_a_message_about_a_file_names_the_file_and_the_key(left, text, message):
    with pytest.raises(UserError) as error:
        left(text)
    assert str(error.value).startswith("space file mine.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# Narrowed by flags


def test_a_flag_acts_as_a_line_of_a_space_file(left):
    config = replace(NamesConfig(), model="lstm", layers=9)
    space, same = narrow(SMALL, {}, "", config, ["model", "layers", "seed"])
    assert (space, same) == left("model: lstm\nlayers: 9", config=config)
    assert {*space} == {"bidirectional"}  # 9 layers have no embedding
    space, _ = narrow(SMALL, {"bidirectional": True}, "", config, ["layers"])
    assert space["layers"] == Choice(9, when=SMALL["layers"].when)


def test_a_flag_without_effect_is_no_mistake():
    space, config = narrow(
        {**SMALL, "units": Choice(1, 2)}, {}, "", NamesConfig(), ["seed", "layers", "bidirectional"]
    )
    assert {*space} == {"model", "layers", "bidirectional", "units"}
    bag = replace(config, model="bag", layers=2)
    assert {*narrow({**SMALL, "units": Choice(1, 2)}, {}, "", bag, ["model", "layers"])[0]} == {
        "units"
    }


def test_flags_contradict_a_file_and_leave_something_to_search():
    with pytest.raises(UserError, match="key seed: --seed gives this setting, too"):
        narrow(SMALL, {"seed": [1, 2]}, "mine.yaml", NamesConfig(), ["seed"])
    with pytest.raises(UserError, match="the flags leave nothing to search"):
        narrow({"model": Choice("bag", "rnn")}, {}, "", NamesConfig(), ["model"])


# The spaces of the tasks


@pytest.mark.parametrize("name", TASKS)
def test_a_task_searches_settings_of_its_config(name):
    task, earlier = load_task(name), {}
    types = setting_types(task.config)
    for key, domain in task.space.items():
        assert key in types
        for value in domain.values if domain.values is not None else (domain.low, domain.high):
            assert repr(strict(value, types[key])) == repr(value)
        for condition, values in domain.when.items():
            assert {*values} < {*earlier[condition].values}
        earlier[key] = domain


@pytest.mark.parametrize("name", TASKS)
def test_the_space_of_a_task_contains_its_default_config(name):
    from keras_tuner import HyperParameters

    task = load_task(name)
    start = task.config().resolved()
    for key, value in suggest(task.space, HyperParameters(), start).items():
        assert flat(start)[key] == value


@pytest.mark.parametrize("name", TASKS)
def test_all_values_in_the_space_of_a_task_are_valid(name):
    task = load_task(name)
    trials = [draw(task.space, seed) for seed in range(30)]
    for values in trials:
        replace(task.config(), **values).resolved().check()
    assert {key for values in trials for key in values} == {*task.space}
    assert any(len(values) < len(task.space) for values in trials)  # some key is inactive


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_drawn_values_give_a_model_that_compiles(name, tmp_path):
    import keras
    from errorflow.pipelines.training.loop import compile_training

    task = load_task(name)
    default = replace(task.config(), data_dir=own_data(name, tmp_path / "data"))
    for seed in range(4):
        config = replace(default, **draw(task.space, seed)).resolved()
        spec = task.build_training(config, task.read_data(config))
        assert compile_training(spec, config).count_params() > 0
        keras.backend.clear_session()


def own_data(name: str, folder: Path) -> Path | None:
    """Small data of the kind that a task reads."""
    folder.mkdir()
    letters = [f"{a}{b}{c}" for a in "abc" for b in "abc" for c in "abc"]
    words = "1\tthe\t_\tDET\t_\t_\t_\t_\t_\t_\n2\tcat\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n"
    shown, again = [f"{label}/{n}.png" for label in "ab" for n in range(12)], "a/0.png"
    files = {
        "names": {f"{label}.txt": [f"{label} {word}" for word in letters] for label in "ab"},
        "documents": {"all.tsv": [f"{word[0]}\tone word or {word}" for word in letters]},
        "tags": {f"x-{split}.conllu": [words * 4] for split in ("train", "dev", "test")},
        "pronounce": {"all.tsv": [f"{word}\t{' '.join(word)}" for word in letters]},
        "series": {"all.tsv": ["time\ty", *(f"{n}\t{n % 7}" for n in range(300))]},
        "captions": {
            "captions.jsonl": [json.dumps({"image": one, "caption": "a dog"}) for one in shown]
        },
        "stories": {
            "stories.jsonl": [json.dumps({"images": [one, again], "story": "a b"}) for one in shown]
        },
    }.get(name, {})
    for file, lines in files.items():
        (folder / file).write_text("\n".join(lines))
    if name in ("captions", "stories", "images"):
        pictures(folder, shown)
    if name == "actions":
        pictures(folder, [one.replace(".png", f"/{n}.png") for one in shown for n in (1, 2)])
    single = folder / "all.tsv"
    return None if name == "lags" else single if single.exists() else folder


def pictures(folder: Path, places: list[str]) -> None:
    from PIL import Image

    for place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([*place.encode()]).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / place)
