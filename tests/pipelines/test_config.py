"""Configurations: default < file < flags, and every mistake named. No TensorFlow."""

import dataclasses
import itertools
import re
from pathlib import Path

import pytest
from errorflow.pipelines import names
from errorflow.pipelines.core.bounds import check_bounds
from errorflow.pipelines.core.config import flat, replace
from errorflow.pipelines.core.config_files import dump_config, load_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.core.files import read_json, write_json, write_text
from errorflow.pipelines.core.flags import parse_flags
from errorflow.pipelines.core.space import Choice
from errorflow.pipelines.dispatch import training_config
from errorflow.pipelines.images.config import ImagesConfig, ImagesData
from errorflow.pipelines.names.config import NamesConfig
from errorflow.pipelines.registry import TASKS, load_task
from errorflow.pipelines.search.config import tune_config
from errorflow.pipelines.text_classification.task import PredictConfig

HUGE = "9" * 25  # more than 64 bits
LAUGHS = "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in itertools.pairwise("abcdefghij")
)  # its last list stands for 9^9 texts


def read(*flags: str) -> NamesConfig:
    return training_config(names.TASK, flags)[0]


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_flags_win_over_the_file_and_the_file_over_defaults(file):
    path = file("units: 7\nlearning_rate: 1e-2\njit: on\nbatch_size: full\n")
    config = read("--config", str(path), "--units", "9")
    assert config.network.units == 9
    assert (config.optimisation.learning_rate, config.optimisation.batch_size) == (0.01, "full")
    assert config.hardware.jit == "on"
    assert config.network.layers == NamesConfig().network.layers


def test_a_flag_that_says_the_default_wins_over_the_file_too(file):
    default = NamesConfig().network.units
    assert read("--config", str(file("units: 7")), "--units", str(default)).network.units == default


def test_a_written_config_reads_back_the_same(file):
    config = replace(
        NamesConfig(),
        batch_size="online",
        data_dir=Path("x y"),
        jit="off",
        limit=5,
        dropout=0.0,
    )
    assert load_config(NamesConfig, file(dump_config(config))) == config


@pytest.mark.parametrize("word", ["false", "'false'", "False"])
def test_a_switch_in_a_file_may_be_written_as_yaml_writes_it(file, word):
    assert load_config(ImagesConfig, file(f"skip: {word}")).network.skip == "false"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epohs: 3", "unknown key 'epohs'; did you mean 'epochs'"),
        ("epochs: '3'", "whole number, got '3' at key epochs"),
        ("epochs: 2.5", "whole number, got 2.5 at key epochs"),
        ("epochs: true", "whole number, got True at key epochs"),
        ("dropout: yes", "a number, got 'yes' at key dropout"),
        ("bidirectional: 1", "true or false, got 1 at key bidirectional"),
        ("model: lstn", "bag or rnn or lstm or gru, got 'lstn' at key model"),
        ("batch_size: all", "whole number or auto or online or full, got 'all' at key batch_size"),
        ("overwrite: true", "'overwrite' is a flag (--overwrite), not a key"),
        ("dropout: 1.0", "--dropout (key dropout) must be from 0 to below 1, got 1.0"),
        ("- 3", "must hold `key: value` lines"),
        ("units: [", "line 1 is not YAML"),
        ("units: 3\nepochs: 089", "line 2: 089 has leading zeros; write 89"),
        ("epochs: -010", "line 1: -010 has leading zeros; write -10"),
        ("epochs: 3\nunits: 4\n'epochs': 3", "line 3: key 'epochs' comes twice"),
        pytest.param("epochs: " + "9" * 5000, "line 1: '99999999", id="5000 digits"),
        pytest.param("epochs: " + "9" * 4000, "a number of more than 60", id="4000 digits"),
        ("epochs: !!int abc", "line 1: 'abc' cannot be read as int"),
        ("bidirectional: !!bool maybe", "line 1: 'maybe' cannot be read as bool"),
        ("epochs: !!timestamp foo", "line 1: 'foo' cannot be read as timestamp"),
        pytest.param("epochs: " + "[" * 500 + "]" * 500, "nested too deeply", id="500 brackets"),
        pytest.param("epochs: " + "[" * 90_000, "nested too deeply", id="90,000 brackets"),
        pytest.param("learning_rate: " + "9" * 400, "a number of more than 60", id="400 digits"),
        ("epochs: 9223372036854775808", "expected a whole number below 2^63"),
        ("learning_rate: !!float ''", "line 1: '' cannot be read as float"),
        pytest.param("a: &a [x]\n" + LAUGHS, "line 5: more than 10,000 values", id="anchors"),
        ("epochs: &a [*a]", "line 1: anchor 'a' contains itself"),
        ("? [a]\n: 1", "line 1: found unhashable key"),
        ("1: 2", "unknown key 1"),
        ("<<: {epochs: 3}", "unknown key '<<'"),
        ("epochs: \x01", "is not YAML: character U+0001"),
        pytest.param("#" * 100_001, "more than 100,000 bytes", id="100 kB"),
        ("learning_rate: 1e400", "--learning-rate (key learning_rate) must be a finite number"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(file, text, message):
    path = file(text)
    with pytest.raises(UserError) as error:
        read("--config", str(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_printed_config_holds_no_character_that_acts_on_a_terminal(file):
    path = Path("a\x9b\u202e\nb\udcff")
    text = dump_config(replace(NamesConfig(), data_dir=path))
    assert all(line.isprintable() for line in text.split("\n"))
    assert load_config(NamesConfig, file(text)).data.data_dir == path


@pytest.mark.parametrize("name", ["089", "010", "1e3", "null", "on", "-.5"])
def test_a_name_like_a_number_is_written_as_a_text(file, name):
    config = replace(NamesConfig(), data_dir=Path(name), text_column=name)
    assert load_config(NamesConfig, file(dump_config(config))) == config


@pytest.mark.parametrize(
    ("task", "flags", "message"),
    [
        ("names", "--units 1000000", "--units (key units) must be at most 16384, got 1000000"),
        ("names", f"--epochs {HUGE}", "--epochs (key epochs) must be at most 1000000"),
        ("names", f"--embedding {HUGE}", "at most 16384"),
        ("names", f"--max-length {HUGE}", "at most 1000000"),
        ("names", f"--batch-size {HUGE}", "at most 1000000"),
        ("names", f"--limit {HUGE}", "at most 2147483647"),
        ("names", "--learning-rate 1e300", "at most 1000, got 1e+300"),
        ("names", "--clip-norm inf", "--clip-norm (key clip_norm) must be a finite number"),
        ("names", "--weight-decay nan", "--weight-decay (key weight_decay) must be 0 or more"),
        ("lags", "--chrono inf", "--chrono (key chrono) must be a finite number"),
        ("lags", "--direct 0.1", "--direct (key direct) must be 0 for adding"),
        ("lags", f"--steps {HUGE}", "--steps (key steps) must be at most 100000"),
        ("images", "--width inf", "--width (key width) must be a finite number"),
        ("actions", "--size 20000", "--size (key size) must be at most 4096"),
        ("documents", f"--kernel-sizes 3,{HUGE}", "--kernel-sizes (key kernel_sizes) must be"),
    ],
)
def test_a_number_too_large_to_compute_with_is_refused(task, flags, message):
    with pytest.raises(UserError) as error:
        training_config(load_task(task), flags.split())
    assert message in str(error.value)


@pytest.mark.parametrize("name", TASKS)
def test_a_search_stays_within_the_bounds(name):
    for key, choice in load_task(name).space.items():
        ends = choice.values if isinstance(choice, Choice) else (choice.low, choice.high)
        for value in ends:
            check_bounds({key: value})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epoch 3", "Unrecognized options: --epoch, 3; did you mean --epochs"),
        ("--epochs x", "--epochs takes INT, not 'x'"),
        ("--batch-size z", "--batch-size takes INT|{auto,online,full}, not 'z'; see"),
        ("--overwrit", "Unrecognized options: --overwrit; did you mean --overwrite?"),
        ("--model c", "invalid choice 'c' for argument '--model'"),
        ("--units", "Missing value for argument '--units'"),
        ("word", "Unrecognized options: word"),
        ("--epochs 0", "--epochs (key epochs) must be 1 or more, got 0"),
        ("--learning-rate nan", "must be above 0, got nan"),
        ("--seed -1", "must be from 0 to 2147483647"),
        ("--device tpu", "must be auto, cpu, gpu or gpu:N"),
        ("--name a/b", "--name 'a/b' must be letters"),
        ("--name ..", "--name '..' must be letters"),
        ("--resume --overwrite", "contradict"),
        ("--dataset imdb --data-dir here", "two sources"),
        ("--batch-size online --strategy mirrored", "no --strategy mirrored"),
        ("--config missing.yaml", "cannot read config file missing.yaml"),
        ("--config .", "cannot read config file ."),
    ],
)
def test_a_wrong_flag_is_one_line(flags, message):
    with pytest.raises(UserError) as error:
        read(*flags.split())
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_choices_of_an_optional_setting_are_listed_in_order():
    with pytest.raises(UserError) as error:
        training_config(load_task("series"), ["--loss", "huber"])
    assert "Expected one of mae, mse, quantile; see" in str(error.value)


def test_seed_0_is_a_seed():
    assert read("--seed", "0").optimisation.seed == 0


def test_positional_texts_come_beside_flags():
    config = parse_flags(PredictConfig, ["Nowak", "de la Cruz", "--top", "2"], "errorflow")
    assert config == PredictConfig(texts=("Nowak", "de la Cruz"), top=2)


@pytest.mark.parametrize("name", TASKS)
def test_a_setting_has_one_name_and_one_place(name):
    """So that flags, YAML keys and search spaces need no sections."""
    task = load_task(name)
    for cls in (task.config, tune_config(task.config)):
        config = cls()
        sections = [getattr(config, field.name) for field in dataclasses.fields(config)]
        names = [field.name for section in sections for field in dataclasses.fields(section)]
        assert len(names) == len(set(names))
    assert set(task.space) <= set(flat(task.config()))


@pytest.mark.parametrize("name", TASKS)
def test_help_shows_titled_groups_and_one_default_per_flag(name, capsys):
    with pytest.raises(SystemExit):
        parse_flags(load_task(name).config, ["--help"], "errorflow")
    text = capsys.readouterr().out
    titles = re.findall(r"^ (\w+) options +$", text, re.M)
    recurrent = ["recurrent"] * (name != "images")
    assert titles == ["network", "data", "optimisation", "hardware", "tracking", *recurrent, "run"]
    assert text.index("--model") < text.index("--units" if "--units" in text else "--width")
    for flag in re.split(r"\n +(?=--)", text)[1:]:
        assert flag.count("(default:") <= 1, flag
        assert "(default: None)" not in flag


def test_help_wraps_by_the_width_of_the_terminal(capsys, monkeypatch):
    """A docstring's own line breaks are not those of the help."""
    widths = []
    for columns in ("80", "110"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit):
            parse_flags(NamesConfig, ["--help"], "errorflow")
        text = capsys.readouterr().out
        widths.append(max(map(len, text.splitlines())))
        words = " ".join(text.split())
        assert "divided by 10 after half of the epochs and again after three quarters." in words
    assert widths == [80, 110]


@pytest.mark.parametrize("flag", ["bidirectional", "resume", "overwrite", "print-config"])
def test_every_boolean_has_a_flag_for_each_value(flag):
    config = parse_flags(NamesConfig, [f"--{flag}", f"--no-{flag}"], "errorflow")
    assert config == NamesConfig()


def test_settings_are_replaced_by_name_in_their_sections():
    config = replace(NamesConfig(), units=7, epochs=2, name="a")
    assert (config.network.units, config.optimisation.epochs, config.run.name) == (7, 2, "a")
    with pytest.raises(KeyError):
        replace(config, unit=7)


def test_paths_that_are_not_utf8_are_written_and_read_back(tmp_path):
    path = Path(b"d\xfc".decode(errors="surrogateescape"))
    write_text(tmp_path / "config.yaml", dump_config(ImagesConfig(data=ImagesData(data_dir=path))))
    assert load_config(ImagesConfig, tmp_path / "config.yaml").data.data_dir == path
    write_json(tmp_path / "a.json", {"path": path})
    assert read_json(tmp_path / "a.json") == {"path": str(path)}


def test_workers_is_a_flag_of_train_and_a_key_of_a_search(tmp_path):
    file = tmp_path / "tune.yaml"
    file.write_text("workers: 2\n", encoding="utf-8")
    assert load_config(tune_config(NamesConfig), file).search.workers == 2
    with pytest.raises(UserError, match=r"'workers' is a flag \(--workers\), not a key"):
        load_config(NamesConfig, file)
