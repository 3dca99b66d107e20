"""The recipe of a training on a person's own images: what is chosen, and what is fitted to them."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from errorflow.layers import ConvUnit2D
from errorflow.pipelines.core.config_files import with_settings
from errorflow.pipelines.images import ImagesConfig
from errorflow.pipelines.images.batching import ImageBatches
from errorflow.pipelines.images.fitting import fit, normalization_momentum
from errorflow.pipelines.images.mirror import mirror_verdict
from errorflow.pipelines.images.training import fit_normalization
from errorflow.pipelines.models.zoo import MODELS
from errorflow.pipelines.training.schedules import learning_rate

OWN = {"data_dir": "photos"}
PAPER_NETWORKS = [name for name in MODELS if name != "convnet"]


def settings(**chosen):
    return with_settings(ImagesConfig(), chosen, "test").resolved().optimisation


def test_a_folder_gets_the_default_network_and_the_digits_keep_theirs():
    own = with_settings(ImagesConfig(), OWN, "test").resolved()
    assert own.network.model == "convnet"
    assert own.optimisation.optimizer == "adamw"
    assert own.optimisation.clip_norm > 0
    assert own.optimisation.patience > 0
    digits = ImagesConfig().resolved()
    assert digits.network.model == "lenet5"
    assert digits.optimisation.patience == 0
    assert fit(digits.optimisation, 40) == (digits.optimisation, 1, 0)


def test_an_earlier_config_file_means_what_it_meant():
    before = {
        **{"model": "resnet20", "epochs": 24, "batch_size": 128, "learning_rate": 0.1},
        **{"optimizer": "momentum", "weight_decay": 1e-4, "clip_norm": 0.0, "patience": 0},
        **{"schedule": "cosine", "label_smoothing": 0.0},
    }
    resolved = settings(**OWN, **before)
    assert {key: getattr(resolved, key) for key in before if key != "model"} == {
        key: value for key, value in before.items() if key != "model"
    }
    assert resolved.balance == 0
    assert fit(resolved, 40) == (resolved, 1, 0)


@pytest.mark.parametrize("model", MODELS)
def test_recipes_survive_few_images(model):
    recipe = settings(**OWN, model=model)
    for count in (24, 100, 450, 1000):
        fitted = fit(recipe, count)
        after = fitted.optimisation
        steps = count // after.batch_size * fitted.passes * recipe.epochs
        assert steps >= 200
        assert 0 < fitted.warmup <= steps // 5
        assert after.clip_norm > 0
        assert after.patience >= 5
        assert after.batch_size <= max(32, count // 15)
        assert after.learning_rate <= recipe.learning_rate


@pytest.mark.parametrize("model", PAPER_NETWORKS)
def test_the_papers_recipes_remain_for_many_images(model):
    recipe = settings(**OWN, model=model)
    fitted = fit(recipe, 50_000)
    assert fitted.passes == 1
    kept = ("batch_size", "learning_rate", "epochs", "weight_decay", "optimizer", "schedule")
    assert all(getattr(fitted.optimisation, key) == getattr(recipe, key) for key in kept)


def test_what_was_chosen_is_not_fitted():
    chosen = {"batch_size": 128, "learning_rate": 0.07, "epochs": 2, "clip_norm": 0.0}
    recipe = settings(**OWN, model="resnet20", **chosen)
    assert fit(recipe, 60) == (recipe, 1, 0)
    half = fit(settings(**OWN, model="resnet20", learning_rate=0.07), 60)
    assert half.optimisation.learning_rate == 0.07
    assert half.optimisation.batch_size < 128
    assert fit(settings(**OWN, fitted="none"), 60).passes == 1


def test_normalisation_forgets_its_initial_values_within_an_epoch():
    for steps in (1, 3, 14, 100):
        momentum = normalization_momentum(0.9, steps)
        assert momentum <= 0.9
        assert momentum**steps <= 0.1 + 1e-9
    unit = ConvUnit2D(2, 1, normalization="batch")
    images = keras.Input([4, 4, 1])
    fit_normalization(keras.Model(images, unit(images)), 3)
    assert unit.normalization.momentum == normalization_momentum(0.9, 3)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_the_learning_rate_rises_in_the_warm_up_and_then_follows_its_schedule(schedule):
    recipe = settings(**OWN, model="resnet20", schedule=schedule)
    plain, warm = learning_rate(recipe, 10), learning_rate(recipe, 10, warmup=20)

    def rates(rate: Any):
        steps = (0, 9, 19, 20, 100)
        return [float(rate(np.int64(step)) if callable(rate) else rate) for step in steps]

    shares = np.array(rates(warm)) / rates(plain)
    np.testing.assert_allclose(shares, [0.05, 0.5, 1, 1, 1], rtol=1e-5)


def test_an_epoch_of_several_passes_has_every_image_in_each_of_them():
    numbers = np.arange(6)
    pixels = numbers.reshape(6, 1, 1, 1).astype(np.uint8)
    data = tf.data.Dataset.from_tensor_slices((pixels, numbers % 2))
    weights = np.array([0.5, 1.5], np.float32)
    batches = ImageBatches(data, 6, 2, size=3, seed=1, passes=2, weights=weights)
    epoch = [*batches.dataset().as_numpy_iterator()]
    assert len(epoch) == batches.steps == 4
    drawn = [np.round(255 * x.ravel()).astype(int).tolist() for x, *_ in epoch]
    assert sorted(drawn[0] + drawn[1]) == sorted(drawn[2] + drawn[3]) == [*range(6)]
    assert drawn[:2] != drawn[2:]
    for _, targets, weight in epoch:
        np.testing.assert_array_equal(weight, weights[targets.argmax(axis=1)])


def slopes(falling_too: bool):
    """Grey stripes that rise or fall, or that all rise and are broad or narrow."""
    rows, columns = np.mgrid[:24, :24]
    random, images = np.random.default_rng(0), []
    for number in range(80):
        is_second = number % 2
        slope = -1 if is_second and falling_too else 1
        wave = 0.5 if is_second or falling_too else 1.5
        slope *= 1 if falling_too else random.choice([-1, 1])
        images.append(np.sin(wave * (columns + slope * rows) + random.uniform(0, 6)))
    return np.split(np.stack(images)[..., None], 2), np.arange(80) % 2


def test_images_are_mirrored_only_if_their_class_stays_the_same():
    assert mirror_verdict(*slopes(falling_too=True)) is False
    assert mirror_verdict(*slopes(falling_too=False)) is not False
    noise = np.random.default_rng(1).normal(size=[40, 16, 16, 3])
    assert mirror_verdict([noise], np.arange(40) % 2) is None
