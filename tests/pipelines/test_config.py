"""Configurations: default < file < flags, and every mistake named. No TensorFlow."""

from pathlib import Path

import pytest
from errorflow.pipelines.core.config_files import dump_config, load_config, parse_flags, read_config
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.images import ImagesConfig
from errorflow.pipelines.names import NamesConfig, PredictConfig


def read(*flags: str) -> NamesConfig:
    return read_config(NamesConfig, flags, "errorflow names train", "names")


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
    assert (config.units, config.learning_rate, config.jit) == (9, 0.01, "on")
    assert config.batch_size == "full"
    assert config.layers == NamesConfig().layers


def test_a_flag_that_says_the_default_wins_over_the_file_too(file):
    default = NamesConfig().units
    assert read("--config", str(file("units: 7")), "--units", str(default)).units == default


def test_what_is_written_reads_back_the_same(file):
    config = NamesConfig(batch_size="online", data_dir=Path("x y"), jit="off", limit=5, dropout=0)
    assert load_config(NamesConfig, file(dump_config(config))) == config


@pytest.mark.parametrize("word", ["false", "'false'", "False"])
def test_a_switch_in_a_file_may_be_written_as_yaml_writes_it(file, word):
    assert load_config(ImagesConfig, file(f"skip: {word}")).skip == "false"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epohs: 3", "unknown key 'epohs'; did you mean 'epochs'"),
        ("epochs: '3'", "whole number, got '3' at key epochs"),
        ("epochs: 2.5", "whole number, got 2.5 at key epochs"),
        ("epochs: true", "whole number, got True at key epochs"),
        ("dropout: yes", "a number, got 'yes' at key dropout"),
        ("bidirectional: 1", "true or false, got 1 at key bidirectional"),
        ("model: lstn", "bag or rnn or lstm or gru, got 'lstn' at key model"),
        ("batch_size: all", "whole number or online or full, got 'all' at key batch_size"),
        ("overwrite: true", "'overwrite' is a flag (--overwrite), not a key"),
        ("dropout: 1.0", "--dropout (key dropout) must be from 0 to below 1, got 1.0"),
        ("- 3", "must hold `key: value` lines"),
        ("units: [", "line 1 is not YAML"),
    ],
)
def test_a_wrong_file_is_told_with_its_name_and_key(file, text, said):
    path = file(text)
    with pytest.raises(UserError) as error:
        read("--config", str(path))
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--epoch 3", "Unrecognized options: --epoch, 3; did you mean --epochs"),
        ("--epochs x", "--epochs takes INT, not 'x'"),
        ("--batch-size z", "--batch-size takes INT|{online,full}, not 'z'"),
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
def test_a_wrong_flag_is_told_in_one_line(flags, said):
    with pytest.raises(UserError) as error:
        read(*flags.split())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_seed_0_is_a_seed():
    assert read("--seed", "0").seed == 0


def test_positional_texts_come_beside_flags():
    config = parse_flags(PredictConfig, ["Nowak", "de la Cruz", "--top", "2"], "errorflow")
    assert config == PredictConfig(texts=("Nowak", "de la Cruz"), top=2)
