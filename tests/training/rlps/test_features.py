"""RLPS on features: classifiers that learn, folds that do not leak, and arms of equal length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.loop.trainer import TrainerConfig
from training.rlps.features import FeatureClassifiers, FeatureSet
from training.rlps.fit import RlpsConfig, choose_images
from training.rlps.images import ImageSet
from training.rlps.model import ClassifierConfig
from training.rlps.policy import PolicyConfig

CONFIG = RlpsConfig(
    targets="labels",
    folds=2,
    rl_epochs=2,
    finetune_epochs=1,
    policy=PolicyConfig(epochs=4, batch_size=16),
    classifier=ClassifierConfig(embedding=16, dropout=0.0),
    trainer=TrainerConfig(epochs=6, batch_size=16, learning_rate=1e-2),
)


def feature_set(count: int, seed: int, wrong: int = 0) -> FeatureSet:
    """Features around one of four centres; every ``wrong``-th label is that of another centre."""
    random = np.random.default_rng(seed)
    centre = np.arange(count) % 4
    features = 4 * np.eye(6)[centre] + random.normal(0, 0.5, (count, 6))
    label = np.where((np.arange(count) % wrong == 0) if wrong else False, (centre + 1) % 4, centre)
    crops = random.integers(0, 256, (count, 2, 2), dtype=np.uint8)
    faces = ImageSet(np.arange(count) * 3, crops, np.eye(4, dtype=np.float32)[label], tuple("abcd"))
    return FeatureSet(faces, features.astype(np.float32))


def test_a_classifier_learns_and_the_same_seed_gives_the_same_figures() -> None:
    train, test = feature_set(96, 0), feature_set(40, 1)
    everything = np.ones(96, bool)
    first, second = (FeatureClassifiers(CONFIG, train, test) for _ in range(2))
    assert first.accuracy(everything, test) == 1.0
    assert first.judge(0, everything) == second.judge(0, everything)
    other = replace(CONFIG, trainer=replace(CONFIG.trainer, seed=1))
    assert FeatureClassifiers(other, train, test).judge(0, everything) != first.judge(0, everything)


def test_features_are_found_by_their_row() -> None:
    train = feature_set(8, 0)
    assert np.array_equal(train.at(np.array([3, 21])), train.features[[1, 7]])


def test_method_x_judges_images_by_classifiers_that_did_not_see_them() -> None:
    train, everything = feature_set(96, 0, wrong=8), np.ones(96, bool)
    apart = FeatureClassifiers(CONFIG, train, feature_set(40, 1)).evidence(0, everything)
    paper = replace(CONFIG, policy=PolicyConfig(method="paper"))
    inside = FeatureClassifiers(paper, train, feature_set(40, 1)).evidence(0, everything)
    wrong = np.arange(96) % 8 == 0
    own = (apart.targets * apart.probabilities).sum(1).numpy()
    assert own[wrong].max() < np.median(own[~wrong])
    assert apart.features.shape == inside.features.shape == (96, 16)
    assert not np.array_equal(apart.probabilities, inside.probabilities)


@pytest.mark.parametrize("method", ["x", "paper", "paper-y1", "code"])
def test_every_method_chooses_images_on_features(method: str) -> None:
    train = feature_set(96, 0, wrong=8)
    config = replace(CONFIG, policy=replace(CONFIG.policy, method=method, relu=True))
    found = choose_images(config, train.faces, FeatureClassifiers(config, train, feature_set(40, 1)), lambda line: None)
    assert found.keep_list.keep.shape == (96,)
    assert 1 <= found.chosen <= 2
    assert (found.history[0].validation_nll is None) == (found.history[0].kept_share == 0), (
        "the printed form may keep nothing"
    )
