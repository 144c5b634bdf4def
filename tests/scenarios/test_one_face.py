"""Stories of one face in front of the camera, told in made-up estimates."""

from __future__ import annotations

import random

import pytest

from engine.types import Route

FRAME_S = 1 / 25


def _seconds_until(decisions, test):
    return next(place for place, decision in enumerate(decisions) if test(decision)) * FRAME_S


def test_a_calm_face_keeps_its_label_from_the_first_frame_on(scene, changes):
    assert changes(scene.play(5.0, neutral=0.8)) == ["accept neutral"]


def test_looks_away_and_back(scene, told, changes):
    before = scene.play(2.0, happiness=0.8)
    away = scene.play(2.0, fear=0.9, disagreement=2.0, strangeness=3.0, bad="turned_away")  # what is seen is nonsense
    back = scene.play(2.0, happiness=0.8)
    assert changes(before + away + back) == ["accept happiness", "reject low_quality", "accept happiness"]
    assert told(away[-1]) == "reject low_quality"
    assert _seconds_until(away, lambda decision: decision.route is Route.REJECT) == pytest.approx(
        scene.config.hold_s, abs=FRAME_S
    )
    # The nonsense left no trace in what is shown afterwards.
    assert _seconds_until(back, lambda decision: decision.labels == ("happiness",)) == pytest.approx(
        scene.config.hold_s, abs=FRAME_S
    )
    assert back[-1].shares == pytest.approx((0.8,), rel=1e-5)


def test_face_gone_for_a_moment_comes_back_as_the_same_story(scene, changes):
    decisions = scene.play(2.0, sadness=0.8)
    scene.gone(scene.keep_lost_s * 0.8)
    decisions += scene.play(1.0, sadness=0.8)
    assert changes(decisions) == ["accept sadness"]


def test_face_gone_for_good_leaves_nothing_to_the_next_one(scene, told):
    scene.play(2.0, sadness=0.8)
    scene.gone(scene.keep_lost_s * 2)
    assert scene.router.snapshot() == "{}"
    first = scene.frame(track=2, anger=0.7)
    assert told(first) == "accept anger"
    assert first.shares == pytest.approx((0.7,))


def test_model_unsure_for_ten_seconds_is_told_as_ambiguous_all_the_time(scene, told, changes):
    noise = random.Random(4)
    decisions = scene.play(2.0, surprise=0.8)
    unsure = []
    for _ in range(250):  # two labels compete, now one ahead, now the other, and the disagreement wavers too
        ahead = noise.uniform(0.3, 0.5)
        unsure.append(scene.frame(surprise=ahead, fear=0.8 - ahead, disagreement=noise.uniform(1.0, 1.8)))
    sure_again = scene.play(3.0, surprise=0.8)
    start_s = _seconds_until(unsure, lambda decision: decision.route is Route.AMBIGUOUS)
    assert start_s <= 2 * scene.config.smoothing_s + scene.config.hold_s
    settled = unsure[round(start_s / FRAME_S) :]
    assert {decision.route for decision in settled} == {Route.AMBIGUOUS}
    assert {frozenset(decision.labels) for decision in settled} == {frozenset(("surprise", "fear"))}
    assert told(sure_again[-1]) == "accept surprise"
    routes = [decision.route for decision in decisions + unsure + sure_again]
    assert sum(now is not then for then, now in zip(routes, routes[1:], strict=False)) == 2


def test_an_unsure_model_never_names_a_single_label_while_it_wavers_around_the_limit(scene):
    """Frames alternate below and above the limit, the mean is above it: smoothing decides, and it decides once."""
    scene.play(1.0, disagreement=1.4, surprise=0.45, fear=0.35)
    decisions = [scene.frame(disagreement=0.7 if place % 2 else 1.6, surprise=0.45, fear=0.35) for place in range(100)]
    assert {decision.route for decision in decisions} == {Route.AMBIGUOUS}


def test_label_flicker_is_held(scene, changes):
    scene.play(2.0, neutral=0.5, sadness=0.45)
    decisions = [
        scene.frame(neutral=0.15, sadness=0.8) if place % 3 == 2 else scene.frame(neutral=0.5, sadness=0.42)
        for place in range(150)
    ]
    raw_changes = 2 * 150 // 3
    assert len(changes(decisions)) <= 2 < raw_changes


def test_a_blink_of_blur_does_not_flip(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    blink_frames = int(scene.config.hold_s / FRAME_S) - 1
    for _ in range(5):
        decisions += [scene.frame(fear=0.6, bad="blurred") for _ in range(blink_frames)]
        decisions += scene.play(0.2, happiness=0.8)
    assert changes(decisions) == ["accept happiness"]
    assert decisions[-1].shares == pytest.approx((0.8,), rel=1e-5)


def test_blur_that_stays_is_told(scene, changes):
    assert changes(scene.play(1.0, happiness=0.8) + scene.play(1.0, happiness=0.8, bad="blurred")) == [
        "accept happiness",
        "reject low_quality",
    ]


def test_a_mask_is_put_on_and_taken_off(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    decisions += scene.play(4.0, anger=0.5, strangeness=3.0)
    decisions += scene.play(4.0, happiness=0.8)
    shown = changes(decisions)
    assert shown[0] == shown[-1] == "accept happiness"
    assert shown.count("reject unlike_training_data") == 1


def test_one_strange_frame_is_not_worth_a_word(scene, changes):
    decisions = scene.play(2.0, happiness=0.8)
    decisions.append(scene.frame(anger=0.5, strangeness=5.0))
    decisions += scene.play(1.0, happiness=0.8)
    assert changes(decisions) == ["accept happiness"]


def test_a_smile_that_fades_changes_its_label_once(scene, changes):
    decisions = scene.play(1.0, happiness=0.85, neutral=0.1)
    for place in range(50):
        share = 0.85 - 0.75 * place / 49
        decisions.append(scene.frame(happiness=share, neutral=0.95 - share))
    decisions += scene.play(1.0, happiness=0.1, neutral=0.85)
    assert changes(decisions) == ["accept happiness", "accept neutral"]
