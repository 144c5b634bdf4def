"""Scenarios of one face in front of the camera."""

from __future__ import annotations

import random

import pytest

from engine.types import Route

FRAME_S = 1 / 25


def _seconds_until(decisions, test):
    return next(place for place, decision in enumerate(decisions) if test(decision)) * FRAME_S


def test_a_calm_face_keeps_its_label_from_the_first_frame_on(scene, changes):
    assert changes(scene.play(5.0, neutral=0.8)) == ["accept neutral"]


def test_a_face_looks_away_and_back(scene, summary, changes):
    before = scene.play(2.0, happiness=0.8)
    away = scene.play(
        2.0, fear=0.9, aleatoric=2.0, epistemic=3.0, bad="turned_away"
    )  # predictions of a face turned away are meaningless
    back = scene.play(2.0, happiness=0.8)
    assert changes(before + away + back) == ["accept happiness", "reject low_quality", "accept happiness"]
    assert summary(away[-1]) == "reject low_quality"
    assert _seconds_until(away, lambda decision: decision.route is Route.REJECT) == pytest.approx(
        scene.config.hold_s, abs=FRAME_S
    )
    # They have no effect on later decisions.
    assert _seconds_until(back, lambda decision: decision.labels == ("happiness",)) == pytest.approx(
        scene.config.hold_s, abs=FRAME_S
    )
    assert back[-1].shares == pytest.approx((0.8,), rel=1e-5)


def test_a_face_absent_for_a_moment_keeps_its_state(scene, changes):
    decisions = scene.play(2.0, sadness=0.8)
    scene.empty(scene.keep_lost_s * 0.8)
    decisions += scene.play(1.0, sadness=0.8)
    assert changes(decisions) == ["accept sadness"]


def test_a_face_that_has_left_does_not_affect_the_next_one(scene, summary):
    scene.play(2.0, sadness=0.8)
    scene.empty(scene.keep_lost_s * 2)
    assert scene.router.snapshot() == "{}"
    first = scene.frame(track=2, anger=0.7)
    assert summary(first) == "accept anger"
    assert first.shares == pytest.approx((0.7,))


def test_a_model_uncertain_for_ten_seconds_is_ambiguous_throughout(scene, summary, changes):
    noise = random.Random(4)
    decisions = scene.play(2.0, surprise=0.8)
    uncertain = []
    for _ in range(250):  # two labels alternate in the lead, and the aleatoric part varies
        ahead = noise.uniform(0.3, 0.5)
        uncertain.append(scene.frame(surprise=ahead, fear=0.8 - ahead, aleatoric=noise.uniform(1.0, 1.8)))
    certain_again = scene.play(3.0, surprise=0.8)
    start_s = _seconds_until(uncertain, lambda decision: decision.route is Route.AMBIGUOUS)
    assert start_s <= 2 * scene.config.smoothing_s + scene.config.hold_s
    steady = uncertain[round(start_s / FRAME_S) :]
    assert {decision.route for decision in steady} == {Route.AMBIGUOUS}
    assert {frozenset(decision.labels) for decision in steady} == {frozenset(("surprise", "fear"))}
    assert summary(certain_again[-1]) == "accept surprise"
    routes = [decision.route for decision in decisions + uncertain + certain_again]
    assert sum(now is not then for then, now in zip(routes, routes[1:], strict=False)) == 2


def test_fluctuation_around_the_limit_is_decided_once(scene):
    """Frames alternate below and above the limit; their mean is above it."""
    scene.play(1.0, aleatoric=1.4, surprise=0.45, fear=0.35)
    decisions = [scene.frame(aleatoric=0.7 if place % 2 else 1.6, surprise=0.45, fear=0.35) for place in range(100)]
    assert {decision.route for decision in decisions} == {Route.AMBIGUOUS}


def test_flickering_labels_are_held(scene, changes):
    scene.play(2.0, neutral=0.5, sadness=0.45)
    decisions = [
        scene.frame(neutral=0.15, sadness=0.8) if place % 3 == 2 else scene.frame(neutral=0.5, sadness=0.42)
        for place in range(150)
    ]
    raw_changes = 2 * 150 // 3
    assert len(changes(decisions)) <= 3 < raw_changes  # one label, both, the other


def test_short_blur_does_not_change_the_decision(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    blurred_frames = int(scene.config.hold_s / FRAME_S) - 1
    for _ in range(5):
        decisions += [scene.frame(fear=0.6, bad="blurred") for _ in range(blurred_frames)]
        decisions += scene.play(0.2, happiness=0.8)
    assert changes(decisions) == ["accept happiness"]
    assert decisions[-1].shares == pytest.approx((0.8,), rel=1e-5)


def test_lasting_blur_is_reported(scene, changes):
    assert changes(scene.play(1.0, happiness=0.8) + scene.play(1.0, happiness=0.8, bad="blurred")) == [
        "accept happiness",
        "reject low_quality",
    ]


def test_a_mask_is_put_on_and_taken_off(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    decisions += scene.play(4.0, anger=0.5, epistemic=3.0)
    decisions += scene.play(4.0, happiness=0.8)
    shown = changes(decisions)
    assert shown[0] == shown[-1] == "accept happiness"
    assert shown.count("reject unlike_training_data") == 1


def test_a_single_outlier_frame_is_not_reported(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    decisions.append(scene.frame(anger=0.5, epistemic=5.0))
    decisions += scene.play(1.0, happiness=0.8)
    assert changes(decisions) == ["accept happiness"]


def test_a_smile_that_fades_changes_its_label_once(scene, changes):
    decisions = scene.play(1.0, happiness=0.85, neutral=0.1)
    for place in range(50):
        share = 0.85 - 0.75 * place / 49
        decisions.append(scene.frame(happiness=share, neutral=0.95 - share))
    decisions += scene.play(1.0, happiness=0.1, neutral=0.85)
    assert changes(decisions) == ["accept happiness", "ambiguous neutral happiness", "accept neutral"]
