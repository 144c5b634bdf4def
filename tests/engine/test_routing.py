"""The routing rule, the smoothing before it, the hysteresis after it, and the state between frames."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.facs import EXPRESSIONS
from engine.routing import Router
from engine.types import Decision, ExpressionEstimate, FaceQuality, QualityReason, Reason, Route, Uncertainty
from tests.fakes.faces import plain_decision

CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1, 0.2), "fake")
CONFIG = RoutingConfig()
GOOD = FaceQuality(0.9)
BLURRED = FaceQuality(0.1, (QualityReason.BLURRED,))


def _estimate(**shares):
    """Probabilities by label; the rest is spread evenly over the other labels."""
    left = (1 - sum(shares.values())) / (len(EXPRESSIONS) - len(shares))
    probabilities = np.array([shares.get(name, left) for name in EXPRESSIONS], np.float32)
    return ExpressionEstimate(np.tile(probabilities, (5, 1)), probabilities)


def _uncertainty(aleatoric=0.2, epistemic=0.01):
    return Uncertainty(aleatoric + epistemic, aleatoric, epistemic, 0.5)


def _decide(estimate, uncertainty=None, quality=GOOD, config=CONFIG):
    """First decision of a new track: the rule alone."""
    return Router(CALIBRATION, config).route(1, estimate, uncertainty or _uncertainty(), quality, 0.0)


def _same(first: Decision, second: Decision) -> bool:
    return plain_decision(first) == plain_decision(second)


# The rule


def test_a_clear_face_is_accepted_with_its_top_label():
    decision = _decide(_estimate(happiness=0.8))
    assert (decision.route, decision.reason) == (Route.ACCEPT, Reason.CLEAR)
    assert decision.labels == ("happiness",)
    assert decision.shares == pytest.approx((0.8,))


def test_a_face_of_low_quality_is_rejected_whatever_the_prediction():
    decision = _decide(_estimate(happiness=0.99), quality=BLURRED)
    assert (decision.route, decision.reason) == (Route.REJECT, Reason.LOW_QUALITY)
    assert decision.labels == decision.shares == ()


def test_a_face_unlike_the_training_data_is_rejected_even_if_ambiguous():
    decision = _decide(_estimate(), _uncertainty(aleatoric=2.0, epistemic=0.2))
    assert (decision.route, decision.reason) == (Route.REJECT, Reason.UNLIKE_TRAINING_DATA)


def test_high_aleatoric_uncertainty_is_ambiguous_with_the_competing_labels():
    decision = _decide(_estimate(surprise=0.5, fear=0.3), _uncertainty(aleatoric=1.5))
    assert (decision.route, decision.reason) == (Route.AMBIGUOUS, Reason.COMPETING_LABELS)
    assert decision.labels == ("surprise", "fear")
    assert decision.shares == pytest.approx((0.5, 0.3))


def test_a_value_at_its_limit_does_not_exceed_it():
    at_limits = _uncertainty(CALIBRATION.aleatoric_limit, CALIBRATION.epistemic_limit)
    assert _decide(_estimate(happiness=0.8), at_limits).route is Route.ACCEPT


@pytest.mark.parametrize(
    ("shares", "labels"),
    [
        (
            {"anger": 0.5, "disgust": 0.5 * CONFIG.competing_share - 0.01},
            2,
        ),  # below the share, but at least two are reported
        ({"anger": 0.4, "disgust": 0.3, "fear": 0.4 * CONFIG.competing_share + 0.01}, 3),
        ({"anger": 0.25, "disgust": 0.24, "fear": 0.23, "sadness": 0.22}, CONFIG.max_labels),
    ],
)
def test_two_to_max_labels_compete(shares, labels):
    decision = _decide(_estimate(**shares), _uncertainty(aleatoric=1.5))
    assert decision.labels == tuple(shares)[:labels]


@given(st.lists(st.floats(0.001, 1.0), min_size=8, max_size=8), st.floats(0, 2), st.floats(0, 0.2), st.booleans())
def test_every_decision_follows_the_rule(weights, aleatoric, epistemic, blurred):
    probabilities = (np.array(weights) / sum(weights)).astype(np.float32)
    estimate = ExpressionEstimate(probabilities[np.newaxis], probabilities)
    decision = _decide(estimate, _uncertainty(aleatoric, epistemic), BLURRED if blurred else GOOD)
    if blurred or epistemic > CALIBRATION.epistemic_limit:
        assert decision.route is Route.REJECT
    elif aleatoric > CALIBRATION.aleatoric_limit:
        assert 2 <= len(decision.labels) <= CONFIG.max_labels
    else:
        assert decision.route is Route.ACCEPT
        assert len(decision.labels) == 1
    assert list(decision.shares) == sorted(decision.shares, reverse=True)
    if decision.shares:
        assert decision.shares[0] == pytest.approx(float(probabilities.max()))
    by_name = dict(zip(EXPRESSIONS, probabilities.tolist(), strict=True))
    assert decision.shares == pytest.approx(tuple(by_name[label] for label in decision.labels))


# Averages


def test_the_average_moves_by_the_exact_exponential_share():
    router = Router(CALIBRATION, CONFIG)
    router.route(1, _estimate(happiness=0.9), _uncertainty(), GOOD, 0.0)
    decision = router.route(1, _estimate(happiness=0.7), _uncertainty(), GOOD, 0.2)
    kept = math.exp(-0.2 / CONFIG.smoothing_s)
    assert decision.shares[0] == pytest.approx(0.7 + (0.9 - 0.7) * kept, rel=1e-6)


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=20))
def test_many_small_steps_equal_one_large_step(steps_s):
    """Only the elapsed time counts, not the number of frames in it."""
    fine, coarse = Router(CALIBRATION, CONFIG), Router(CALIBRATION, CONFIG)
    for router in (fine, coarse):
        router.route(1, _estimate(happiness=0.9), _uncertainty(), GOOD, 0.0)
    now_s = 0.0
    for step_s in steps_s:
        now_s += step_s
        last = fine.route(1, _estimate(happiness=0.6), _uncertainty(), GOOD, now_s)
    assert last.shares == pytest.approx(
        coarse.route(1, _estimate(happiness=0.6), _uncertainty(), GOOD, now_s).shares, rel=1e-9
    )


def test_the_route_changes_when_the_average_crosses_the_limit():
    router = Router(CALIBRATION, dataclasses.replace(CONFIG, hold_s=0.0))
    low, high = 0.2, 2.0
    router.route(1, _estimate(happiness=0.8), _uncertainty(low), GOOD, 0.0)
    crossing_s = -CONFIG.smoothing_s * math.log((high - CALIBRATION.aleatoric_limit) / (high - low))
    before = router.route(1, _estimate(happiness=0.8), _uncertainty(high), GOOD, crossing_s - 0.01)
    after = router.route(1, _estimate(happiness=0.8), _uncertainty(high), GOOD, crossing_s + 0.01)
    assert (before.route, after.route) == (Route.ACCEPT, Route.AMBIGUOUS)


def test_frames_of_low_quality_do_not_change_the_averages():
    router = Router(CALIBRATION, dataclasses.replace(CONFIG, hold_s=9.0))
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    decision = router.route(1, _estimate(anger=0.9), _uncertainty(2.0, 0.5), BLURRED, 0.4)
    assert decision.shares == pytest.approx((0.8,))


def test_without_smoothing_and_hold_each_frame_is_independent():
    router = Router(CALIBRATION, RoutingConfig(smoothing_s=0.0, hold_s=0.0))
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    decision = router.route(1, _estimate(anger=0.7), _uncertainty(), GOOD, 0.01)
    assert decision.labels == ("anger",)
    assert decision.shares == pytest.approx((0.7,))


# Hysteresis


def _unsmoothed():
    return Router(CALIBRATION, dataclasses.replace(CONFIG, smoothing_s=0.0))


def test_a_changed_label_is_shown_beside_the_old_one_until_it_has_persisted():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    times_s = [0.1, 0.1 + CONFIG.hold_s * 0.9, 0.1 + CONFIG.hold_s * 1.01]
    decisions = [router.route(1, _estimate(anger=0.8), _uncertainty(), GOOD, time_s) for time_s in times_s]
    labels = [decision.labels for decision in decisions]
    assert labels[0][0] == labels[1][0] == "anger"
    assert set(labels[0]) == set(labels[1]) == {"anger", "happiness"}
    assert labels[2] == ("anger",)
    assert [decision.route for decision in decisions] == [Route.AMBIGUOUS, Route.AMBIGUOUS, Route.ACCEPT]


def test_a_label_that_returns_before_the_hold_is_over_must_persist_too():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    router.route(1, _estimate(anger=0.8), _uncertainty(), GOOD, 0.1)
    back = [
        router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.14 + passed_s).route
        for passed_s in (0.0, CONFIG.hold_s * 0.9, CONFIG.hold_s * 1.01)
    ]
    assert back == [Route.AMBIGUOUS, Route.AMBIGUOUS, Route.ACCEPT]


def test_two_labels_that_keep_taking_the_lead_from_each_other_are_ambiguous_all_the_time():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    names = ("anger", "happiness")
    decisions = [
        router.route(1, _estimate(**{names[place % 2]: 0.8}), _uncertainty(), GOOD, 0.1 + place * 0.04)
        for place in range(25)
    ]
    assert {frozenset(decision.labels) for decision in decisions} == {frozenset(names)}


def test_a_face_is_ambiguous_in_the_frame_in_which_it_passes_the_limit_and_accepted_once_that_persists():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.5, surprise=0.4), _uncertainty(1.1), GOOD, 0.0)
    over = router.route(1, _estimate(happiness=0.5, surprise=0.4), _uncertainty(1.3), GOOD, 0.04)
    assert over.labels == ("happiness", "surprise")
    below = [
        router.route(1, _estimate(happiness=0.5, surprise=0.4), _uncertainty(1.1), GOOD, 0.08 + passed_s).route
        for passed_s in (0.0, CONFIG.hold_s * 0.9, CONFIG.hold_s * 1.01)
    ]
    assert below == [Route.AMBIGUOUS, Route.AMBIGUOUS, Route.ACCEPT]


def test_a_face_is_not_assessed_in_the_frame_in_which_it_passes_the_limit():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    assert router.route(1, _estimate(happiness=0.8), _uncertainty(epistemic=0.2), GOOD, 0.04).route is Route.REJECT
    assert router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.08).route is Route.REJECT


def test_lower_limits_apply_at_once_even_while_a_label_is_held_through_a_bad_frame():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(0.9), GOOD, 0.0)
    router.calibration = dataclasses.replace(CALIBRATION, aleatoric_limit=0.5)
    assert router.route(1, _estimate(happiness=0.8), _uncertainty(0.9), BLURRED, 0.04).labels == ()


def test_shares_of_a_held_label_follow_the_average():
    router = Router(CALIBRATION, CONFIG)
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    held = router.route(1, _estimate(anger=0.6, happiness=0.3), _uncertainty(), GOOD, 0.01)
    assert held.labels == ("happiness",)
    assert held.shares == pytest.approx((0.3 + 0.5 * math.exp(-0.01 / CONFIG.smoothing_s),))
    assert held.steady is not None
    assert held.shares[0] == held.steady.probabilities[EXPRESSIONS.index("happiness")]


def test_the_order_of_competing_labels_changes_at_once():
    router = _unsmoothed()
    first = router.route(1, _estimate(surprise=0.5, fear=0.4), _uncertainty(1.5), GOOD, 0.0)
    second = router.route(1, _estimate(surprise=0.4, fear=0.5), _uncertainty(1.5), GOOD, 0.01)
    assert (first.labels, second.labels) == (("surprise", "fear"), ("fear", "surprise"))
    assert second.shares == pytest.approx((0.5, 0.4))


def test_a_choice_is_not_held_while_its_successors_keep_changing():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(epistemic=0.2), GOOD, 0.0)
    successors = [_estimate(surprise=0.5, fear=0.4), _estimate(surprise=0.5, anger=0.4)]
    routes = [
        (frame / 25, router.route(1, successors[frame % 2], _uncertainty(1.5), GOOD, frame / 25).route)
        for frame in range(1, 20)
    ]
    changed_s = next(time_s for time_s, route in routes if route is Route.AMBIGUOUS)
    assert 1 / 25 + CONFIG.hold_s < changed_s <= 1 / 25 + 2 * CONFIG.hold_s + 1 / 25


def test_a_new_choice_does_not_inherit_the_time_of_the_previous_one():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    for time_s in (0.1, 0.1 + CONFIG.hold_s * 0.9):
        router.route(1, _estimate(anger=0.8), _uncertainty(), GOOD, time_s)
    new_choice = router.route(1, _estimate(fear=0.8), _uncertainty(), GOOD, 0.1 + CONFIG.hold_s * 1.1)
    assert new_choice.route is Route.AMBIGUOUS
    assert new_choice.labels[0] == "fear"


def test_a_changed_order_of_labels_is_not_a_new_choice():
    """The order keeps differing from the first one; then one frame is of low quality."""
    router = _unsmoothed()
    shares = [0.3, 0.28, 0.26]
    names = ["surprise", "fear", "anger"]
    step_s = CONFIG.hold_s / 5
    for place in range(11):
        first = 1 + place % 2 if place else 0
        order = dict(zip(names[first:] + names[:first], shares, strict=True))
        router.route(1, _estimate(**order), _uncertainty(1.5), GOOD, place * step_s)
    blink = router.route(1, _estimate(), _uncertainty(), BLURRED, 12 * step_s)
    assert blink.route is Route.AMBIGUOUS


def test_a_time_before_the_previous_one_counts_as_no_time():
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 10.0)
    for time_s in (10.1, 3.0, 3.1):
        decision = router.route(1, _estimate(anger=0.8), _uncertainty(), GOOD, time_s)
    assert set(decision.labels) == {"anger", "happiness"}
    assert router.route(1, _estimate(anger=0.8), _uncertainty(), GOOD, 3.2).labels == ("anger",)


# State between frames


def test_unrelated_images_do_not_affect_each_other():
    router = Router(CALIBRATION, CONFIG, still=True)
    router.route(1, _estimate(happiness=0.8), _uncertainty(), GOOD, 0.0)
    decision = router.route(1, _estimate(anger=0.7), _uncertainty(1.5), GOOD, 0.01)
    assert _same(decision, _decide(_estimate(anger=0.7), _uncertainty(1.5)))
    assert json.loads(router.snapshot()) == {}


def test_only_tracks_unseen_for_too_long_are_forgotten():
    router = Router(CALIBRATION, CONFIG)
    for track_id, seen_s in ((1, 0.0), (2, 0.5)):
        router.route(track_id, _estimate(happiness=0.8), _uncertainty(), GOOD, seen_s)
    router.forget(now_s=1.2, unseen_s=1.0)
    assert list(json.loads(router.snapshot())) == ["2"]


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.sampled_from(EXPRESSIONS),
        st.floats(0.1, 2.0),
        st.floats(0.0, 0.2),
        st.booleans(),
        st.floats(0.0, 0.3),
    ),
    min_size=2,
    max_size=40,
)


@given(FRAMES, st.data())
def test_a_restored_router_decides_exactly_like_an_uninterrupted_one(frames, data):
    cut = data.draw(st.integers(0, len(frames)))
    whole, first, second = (Router(CALIBRATION, CONFIG) for _ in range(3))
    now_s, expected, got = 0.0, [], []
    for place, (track_id, label, aleatoric, epistemic, blurred, step_s) in enumerate(frames):
        now_s += step_s
        quality = BLURRED if blurred else GOOD
        call = (track_id, _estimate(**{label: 0.7}), _uncertainty(aleatoric, epistemic), quality, now_s)
        if place == cut:
            second.restore(first.snapshot())
        expected.append(whole.route(*call))
        got.append((first if place < cut else second).route(*call))
    assert all(_same(one, other) for one, other in zip(expected, got, strict=True))


STEPS = st.lists(
    st.tuples(
        st.lists(st.floats(0.001, 1.0), min_size=8, max_size=8),
        st.floats(0.1, 2.0),
        st.floats(0.0, 0.2),
        st.booleans(),
        st.floats(0.0, 0.3),
    ),
    min_size=1,
    max_size=40,
)


@given(STEPS, st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.0, 0.15, 1.0]))
def test_no_decision_ever_contradicts_the_steady_estimate(steps, smoothing_s, hold_s):
    """In every sequence: the top label is among those shown, and what is accepted lies within both limits."""
    router = Router(CALIBRATION, RoutingConfig(smoothing_s=smoothing_s, hold_s=hold_s))
    now_s = 0.0
    for weights, aleatoric, epistemic, blurred, step_s in steps:
        now_s += step_s
        probabilities = (np.array(weights) / sum(weights)).astype(np.float32)
        estimate = ExpressionEstimate(probabilities[np.newaxis], probabilities)
        quality = BLURRED if blurred else GOOD
        decision = router.route(1, estimate, _uncertainty(aleatoric, epistemic), quality, now_s)
        if decision.route is Route.REJECT:
            continue
        assert decision.steady is not None
        steady, uncertainty = decision.steady.probabilities, decision.steady.uncertainty
        assert decision.labels[0] == EXPRESSIONS[int(np.argmax(steady))]
        assert decision.shares == tuple(steady[EXPRESSIONS.index(label)] for label in decision.labels)
        assert uncertainty.epistemic <= CALIBRATION.epistemic_limit
        if decision.route is Route.ACCEPT:
            assert len(decision.labels) == 1
            assert uncertainty.aleatoric <= CALIBRATION.aleatoric_limit


def test_a_face_never_seen_well_has_no_steady_estimate():
    assert _decide(_estimate(happiness=0.8), quality=BLURRED).steady is None


def test_the_steady_estimate_has_the_score_of_its_own_epistemic_part():
    router = Router(CALIBRATION, CONFIG)
    router.route(1, _estimate(happiness=0.8), _uncertainty(0.2, 0.05), GOOD, 0.0)
    steady = router.route(1, _estimate(happiness=0.8), _uncertainty(0.4, 0.0), GOOD, 0.3).steady
    kept = math.exp(-0.3 / CONFIG.smoothing_s)
    assert steady is not None
    assert steady.uncertainty.aleatoric == pytest.approx(0.4 + (0.2 - 0.4) * kept)
    assert steady.uncertainty.epistemic == pytest.approx(0.05 * kept)
    assert steady.uncertainty.ood_score == pytest.approx(0.05 * kept / 0.2)  # the quantiles rise evenly to 0.2
    assert steady.uncertainty.total == steady.uncertainty.aleatoric + steady.uncertainty.epistemic


def test_a_snapshot_contains_how_long_a_choice_has_been_absent():
    successors = [_estimate(surprise=0.5, fear=0.4), _estimate(surprise=0.5, anger=0.4)]
    router = _unsmoothed()
    router.route(1, _estimate(happiness=0.8), _uncertainty(epistemic=0.2), GOOD, 0.0)
    step_s = CONFIG.hold_s / 4
    for place in range(1, 9):
        router.route(1, successors[place % 2], _uncertainty(1.5), GOOD, place * step_s)
    restored = _unsmoothed()
    restored.restore(router.snapshot())
    decisions = [each.route(1, successors[1], _uncertainty(1.5), GOOD, 9.1 * step_s) for each in (router, restored)]
    assert decisions[0].route is Route.AMBIGUOUS
    assert _same(*decisions)


@pytest.mark.parametrize(
    ("estimate", "uncertainty"),
    [
        (_estimate(happiness=0.8), _uncertainty(aleatoric=math.nan)),
        (_estimate(happiness=0.8), _uncertainty(epistemic=math.inf)),
        (_estimate(happiness=math.nan), _uncertainty()),
        (ExpressionEstimate(np.ones((5, 3), np.float32) / 3, np.ones(3, np.float32) / 3), _uncertainty()),
    ],
)
def test_values_that_are_not_finite_and_other_classes_are_refused(estimate, uncertainty):
    with pytest.raises(ValueError, match="track 1: cannot route"):
        Router(CALIBRATION, CONFIG).route(1, estimate, uncertainty, GOOD, 0.0)


# What is covered


def _covered(mouth=0.0, eyes=0.0, side=0.0, **shares):
    estimate = _estimate(**(shares or {"happiness": 0.8}))
    return dataclasses.replace(estimate, covered=np.array([mouth, eyes, side], np.float32))


STRANGE = _uncertainty(epistemic=0.2)


def test_a_face_that_is_not_assessed_names_what_is_covered():
    decision = _decide(_covered(mouth=0.9, eyes=0.5, side=0.51), STRANGE)
    assert decision.reason is Reason.UNLIKE_TRAINING_DATA
    assert decision.covered == (QualityReason.MOUTH_COVERED, QualityReason.SIDE_COVERED)


@pytest.mark.parametrize(
    ("estimate", "uncertainty", "quality"),
    [
        (_covered(mouth=0.9), _uncertainty(), GOOD),
        (_covered(mouth=0.9), _uncertainty(aleatoric=1.5), GOOD),
        (_covered(mouth=0.9), STRANGE, BLURRED),
        (_covered(), STRANGE, GOOD),
        (_estimate(happiness=0.8), STRANGE, GOOD),
    ],
    ids=["accepted", "ambiguous", "not seen well", "nothing covered", "a model that does not say"],
)
def test_otherwise_nothing_is_named(estimate, uncertainty, quality):
    assert _decide(estimate, uncertainty, quality).covered == ()


def test_what_is_covered_is_averaged_over_time_like_the_rest():
    router = Router(CALIBRATION, CONFIG)
    router.route(1, _covered(mouth=0.9), STRANGE, GOOD, 0.0)
    blink = router.route(1, _covered(mouth=0.1), STRANGE, GOOD, 0.033)
    assert blink.covered == (QualityReason.MOUTH_COVERED,)
    assert router.route(1, _covered(mouth=0.1), STRANGE, GOOD, 5.0).covered == ()


def test_a_snapshot_keeps_what_is_covered():
    router, restored = Router(CALIBRATION, CONFIG), Router(CALIBRATION, CONFIG)
    router.route(1, _covered(eyes=0.8), STRANGE, GOOD, 0.0)
    restored.restore(router.snapshot())
    estimate = _covered(eyes=0.4)
    first, second = (each.route(1, estimate, STRANGE, GOOD, 0.1) for each in (router, restored))
    assert first.covered == second.covered == (QualityReason.EYES_COVERED,)
    assert _same(first, second)
