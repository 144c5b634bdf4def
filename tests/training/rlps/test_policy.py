"""RLPS: rewards, baseline, objectives, the two networks, the policy's training and the floors."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from engine.errors import ConfigError
from training.rlps.model import ClassifierConfig, KeepPolicy, RunningMean, SixConvClassifier
from training.rlps.policy import Evidence, PolicyConfig, Selector, advantage_of, decide
from training.rlps.reward import advantages, class_baselines, expected_loss, rewards, sampled_loss, weighted_keep_loss

SHARES = st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8)


def test_the_reward_of_a_hard_label_is_its_probability_and_of_votes_their_product() -> None:
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    targets = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    assert rewards(targets, probabilities).tolist() == pytest.approx([0.2, 0.5 * 0.7 + 0.5 * 0.2])


def test_the_baseline_is_a_share_of_what_the_class_earns_above_chance() -> None:
    targets = torch.eye(2)[[0, 0, 1]]
    found = class_baselines(torch.tensor([0.9, 0.7, 0.6]), targets, 0.5)
    assert found.tolist() == pytest.approx([0.5 + 0.5 * (0.8 - 0.5)] * 2 + [0.5 + 0.5 * (0.6 - 0.5)])


@given(SHARES, st.floats(0, 1))
def test_no_baseline_lies_below_what_noise_earns(values: list[float], share: float) -> None:
    targets = torch.eye(4)[[0, 0, 1, 1, 2, 2, 3, 3]]
    assert bool((class_baselines(torch.tensor(values), targets, share) >= 1 / 4).all())


def test_equal_rewards_give_no_advantage() -> None:
    assert advantages(torch.full((3,), 0.4), torch.full((3,), 0.1)).tolist() == [0, 0, 0]


def test_the_sampled_objective_has_the_gradient_of_the_expected_one() -> None:
    logits = torch.tensor([0.3, -0.7], requires_grad=True)
    advantage = torch.tensor([1.0, -2.0])
    (exact,) = torch.autograd.grad(expected_loss(logits, advantage, 0.0), logits)
    mean = torch.zeros(2)
    for actions in itertools.product([True, False], repeat=2):
        drawn = torch.tensor(actions)
        chance = torch.where(drawn, logits.sigmoid(), 1 - logits.sigmoid()).prod().detach()
        (gradient,) = torch.autograd.grad(sampled_loss(logits, drawn, advantage), logits)
        mean += chance * gradient
    assert mean.tolist() == pytest.approx(exact.tolist(), abs=1e-6)


def test_the_reading_y_1_keeps_what_earns_more_than_chance() -> None:
    logits = torch.tensor([0.0, 0.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(weighted_keep_loss(logits, torch.tensor([1.0, -1.0])), logits)
    assert gradient[0] < 0 < gradient[1]  # a step down the gradient keeps the first and removes the second


@pytest.mark.parametrize(("poolings", "cells"), [(3, 3), (4, 1)])
def test_the_paper_has_four_poolings_the_code_three(poolings: int, cells: int) -> None:
    config = ClassifierConfig(widths=(4,) * 6, stem_stride=2, embedding=8, poolings=poolings)
    model = SixConvClassifier(config, classes=7)
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model.modules()) == poolings
    assert model.trunk(torch.zeros(1, 1, 48, 48)).shape == (1, 4 * cells * cells)
    with pytest.raises(ConfigError, match="poolings must be 3 or 4"):
        ClassifierConfig(poolings=2)


def test_the_paper_reading_has_relu_in_its_policy() -> None:
    assert any(isinstance(layer, nn.ReLU) for layer in KeepPolicy(8, relu=True).modules())
    assert not any(isinstance(layer, nn.ReLU) for layer in KeepPolicy(8).modules())


def test_the_entropy_of_an_even_policy_is_ln_2() -> None:
    loss = expected_loss(torch.zeros(4), torch.zeros(4), 1.0)
    assert float(loss) == pytest.approx(-math.log(2))


def test_the_classifier_has_six_convolutions_and_a_feature_that_is_not_negative() -> None:
    model = SixConvClassifier(ClassifierConfig(widths=(4, 4, 4, 4, 6, 6), stem_stride=2, embedding=16), classes=7)
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.modules()) == 6
    images = torch.randn(3, 1, 48, 48)
    assert model(images).shape == (3, 7)
    assert model.features(images).shape == (3, 16)
    assert bool((model.features(images) >= 0).all())


def test_the_policy_has_the_published_widths() -> None:
    policy = KeepPolicy(256)
    widths = [layer.out_features for layer in policy.modules() if isinstance(layer, nn.Linear)]
    assert widths == [64, 32, 16, 8, 1]
    assert policy(torch.randn(5, 256)).shape == (5,)


def test_the_running_mean_is_of_kept_images_only() -> None:
    mean = RunningMean(2)
    assert mean.beside(torch.ones(1, 2)).tolist() == [[1, 1, 0, 0]]
    mean.add(torch.tensor([[2.0, 4.0], [100.0, 100.0]]), torch.tensor([True, False]))
    mean.add(torch.tensor([[4.0, 8.0]]), torch.tensor([True]))
    assert mean.beside(torch.ones(1, 2)).tolist() == [[1, 1, 3, 6]]


def fake_evidence() -> tuple[Evidence, Tensor]:
    """320 images in four classes; every fourth is noise, with features apart and even probabilities."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.arange(320) % 4 == 0
    targets = torch.eye(4)[torch.randint(4, (320,), generator=generator)]
    features = torch.randn(320, 6, generator=generator) + 3 * noise[:, None]
    probabilities = torch.where(noise[:, None], torch.full((320, 4), 0.25), 0.8 * targets + 0.05)
    return Evidence(features, probabilities, targets), noise


@pytest.mark.parametrize("label_in_state", [False, True])
def test_what_earns_less_than_its_baseline_is_removed(label_in_state: bool) -> None:
    evidence, noise = fake_evidence()
    config = PolicyConfig(epochs=15, batch_size=32, learning_rate=1e-2, label_in_state=label_in_state)
    selector = Selector(config, 6, 4, seed=0)
    selector.train(evidence)
    keep = selector.keep_probabilities(evidence) >= 0.5
    assert keep[~noise].mean() > 0.95
    assert keep[noise].mean() < 0.05


def test_the_supervised_method_keeps_what_the_classifier_gets_right() -> None:
    evidence, noise = fake_evidence()
    wrong = replace_probabilities(evidence, torch.where(noise[:, None], 1 - evidence.targets, evidence.probabilities))
    selector = Selector(PolicyConfig(method="code", epochs=15, batch_size=32, learning_rate=1e-2), 6, 4, seed=0)
    selector.train(wrong)
    keep = selector.keep_probabilities(wrong) >= 0.5
    assert keep[~noise].mean() > 0.95
    assert keep[noise].mean() < 0.05


def replace_probabilities(evidence: Evidence, probabilities: Tensor) -> Evidence:
    return Evidence(evidence.features, probabilities, evidence.targets)


def test_the_literal_reward_is_the_probability_above_chance_so_noise_is_not_pushed_out() -> None:
    evidence, noise = fake_evidence()
    advantage = advantage_of(evidence, PolicyConfig(method="paper"))
    assert advantage[noise].abs().max() < 1e-6
    assert advantage[~noise].tolist() == pytest.approx([0.85 - 0.25] * int((~noise).sum()), abs=1e-6)


def test_a_seed_gives_one_result_and_another_seed_another() -> None:
    evidence, _ = fake_evidence()

    def trained(seed: int) -> np.ndarray:
        selector = Selector(PolicyConfig(method="paper", epochs=2), 6, 4, seed)
        selector.train(evidence)
        return selector.keep_probabilities(evidence)

    assert np.array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_a_new_selector_leaves_the_global_random_state_unchanged() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Selector(PolicyConfig(), 6, 4, seed=0)
    assert torch.equal(torch.rand(1), expected)


def test_floors_add_the_next_best_and_mark_them() -> None:
    keep_probability = np.array([0.9, 0.4, 0.3, 0.2, 0.9, 0.9], np.float32)
    owner = np.array([0, 0, 0, 0, 1, 1])
    config = PolicyConfig(class_floor=0.5, floor=0.0)
    kept, floored = decide(keep_probability, owner, config)
    assert kept.tolist() == [True, True, False, False, True, True]  # two of the four in class 0
    assert floored.tolist() == [False, True, False, False, False, False]
    kept, _ = decide(keep_probability, owner, replace(config, floor=0.8))
    assert kept.tolist() == [True, True, True, False, True, True]  # five of six


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_floors_hold_for_the_whole_and_for_every_class(values: list[float], floor: float, class_floor: float) -> None:
    owner = np.arange(len(values)) % 3
    keep_probability = np.array(values, np.float32)
    kept, floored = decide(keep_probability, owner, PolicyConfig(floor=floor, class_floor=class_floor))
    assert kept.sum() >= floor * len(kept)
    assert all(kept[owner == label].sum() >= class_floor * (owner == label).sum() for label in np.unique(owner))
    assert np.array_equal(kept & ~floored, keep_probability >= 0.5)


@pytest.mark.parametrize("method", ["paper", "code"])
def test_the_published_methods_have_no_floor(method: str) -> None:
    kept, _ = decide(np.zeros(4, np.float32), np.zeros(4, np.int64), PolicyConfig(method=method))
    assert not kept.any()


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="x, paper, paper-y1, code, not 'y'"):
        PolicyConfig(method="y")
