"""Shares of the decisions in the last half minute, and rerouting with other limits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.live.routing_history import HISTORY_S, ExampleFace, RoutingHistory, with_decisions
from engine.backends.contract import ExpressionCalibration
from engine.config import RoutingConfig
from engine.types import FaceQuality, FrameResult, QualityReason, Reason, Route, Uncertainty
from tests.fakes.faces import fake_face, fake_frame, fake_result

CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.2), "fake")


def result(index: int, *, fps: float = 10.0, aleatoric: float = 0.4, epistemic: float = 0.05, dark: bool = False):
    face = fake_face(
        *((Route.REJECT, Reason.LOW_QUALITY, (), ()) if dark else ()),
        quality=FaceQuality(0.1, (QualityReason.DARK,)) if dark else None,
    )
    face = dataclasses.replace(face, uncertainty=Uncertainty(aleatoric + epistemic, aleatoric, epistemic, 0.5))
    return fake_result(fake_frame(index, fps=fps), face)


def filled(*results: FrameResult) -> RoutingHistory:
    history = RoutingHistory(RoutingConfig())
    for one in results:
        history.add(one)
    return history


def test_there_are_no_shares_before_the_first_face():
    assert not filled().shares().known
    assert not filled(fake_result(fake_frame(0))).shares().known


def test_shares_count_faces_by_route_and_sum_to_one():
    dark = [result(index, dark=True) for index in range(5)]
    shares = filled(*dark, *(result(index) for index in range(5, 20))).shares()
    assert (shares.accepted, shares.low_quality, shares.faces) == (15 / 20, 5 / 20, 20)
    assert shares.accepted + shares.ambiguous + shares.not_assessed + shares.low_quality == 1


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        ({"aleatoric_limit": 0.3}, "ambiguous"),
        ({"aleatoric_limit": 0.5}, "accepted"),
        ({"epistemic_limit": 0.01}, "not_assessed"),
    ],
)
def test_other_limits_reroute_the_history(limits, share):
    history = filled(*(result(index) for index in range(50)))
    history.reroute(dataclasses.replace(CALIBRATION, **limits))
    assert getattr(history.shares(), share) == 1


def test_rerouting_back_restores_the_shares():
    history = filled(*(result(index) for index in range(50)))
    before = history.shares()
    history.reroute(dataclasses.replace(CALIBRATION, aleatoric_limit=0.0))
    assert history.shares() != before
    history.reroute(CALIBRATION)
    assert history.shares() == before


def test_rerouting_averages_a_carried_estimate_once():
    """A face that is carried for long is decided as when it was measured: nothing new was seen."""
    clear, doubtful = result(0, aleatoric=0.1), result(1, aleatoric=0.9)
    (face,) = doubtful.faces
    carried = [
        dataclasses.replace(result(index), faces=(dataclasses.replace(face, carried=index - 1),))
        for index in range(2, 40)
    ]
    history = filled(clear, doubtful, *carried)
    history.reroute(dataclasses.replace(CALIBRATION, aleatoric_limit=0.6))
    assert history.shares().accepted == 1
    history = filled(clear, doubtful, *(result(index, aleatoric=0.9) for index in range(2, 40)))
    history.reroute(dataclasses.replace(CALIBRATION, aleatoric_limit=0.6))
    assert history.shares().ambiguous > 0


def test_only_the_last_half_minute_counts():
    history = filled(*(result(index, dark=True) for index in range(100)))
    for index in range(100, 100 + round(10 * HISTORY_S) + 1):
        history.add(result(index))
    assert history.shares().low_quality == 0


def test_frames_above_the_maximum_rate_are_skipped():
    history = filled(*(result(index, fps=60.0) for index in range(600)))
    assert 90 <= history.shares().faces <= 110  # ten per second of ten seconds


def test_a_time_before_the_previous_one_clears_the_history():
    history = filled(*(result(index, dark=True) for index in range(50)), result(0))
    assert history.shares().faces == 1
    assert history.shares().accepted == 1


def test_a_result_can_get_the_rerouted_decisions():
    history = filled(*(result(index) for index in range(5)))
    history.reroute(dataclasses.replace(CALIBRATION, aleatoric_limit=0.0))
    changed = with_decisions(result(4), history.decisions())
    assert changed.faces[0].decision.route is Route.AMBIGUOUS
    assert with_decisions(result(4), {}).faces[0].decision.route is Route.ACCEPT


def pictured(seconds: float, aleatoric=lambda place: 0.4) -> RoutingHistory:
    """A history at ten frames per second with a new picture twice a second; its value is the number of the frame."""
    history, pictures = RoutingHistory(RoutingConfig()), {}
    for index in range(round(10 * seconds)):
        if index % 5 == 0:
            pictures = {1: np.full((4, 4, 3), index, np.uint8)}
        history.add(result(index, aleatoric=aleatoric(index)), pictures)
    return history


def numbers(examples: tuple[ExampleFace, ...]) -> list[int]:
    return [int(example.picture[0, 0, 0]) for example in examples]


def test_examples_are_spread_from_clear_to_unclear():
    history = pictured(10.0, lambda index: 1.0 - index / 100)
    history.reroute(CALIBRATION)
    shown = numbers(history.examples(5))  # later ones are clearer
    assert (shown[0], shown[-1]) == (95, 0)
    assert shown == sorted(shown, reverse=True)
    assert max(abs(place - even) for place, even in zip(shown, (95, 71, 47, 24, 0), strict=True)) <= 5


def test_examples_are_the_same_while_limits_move_and_only_their_decisions_change():
    history = pictured(10.0, lambda index: index / 100)
    history.reroute(CALIBRATION)
    before = history.examples(5)
    assert {example.decision.route for example in before} == {Route.ACCEPT}
    history.reroute(dataclasses.replace(CALIBRATION, aleatoric_limit=0.5))
    after = history.examples(5)
    assert numbers(after) == numbers(before)
    assert [example.decision.route for example in after][0] is Route.ACCEPT
    assert [example.decision.route for example in after][-1] is Route.AMBIGUOUS


def test_examples_are_renewed_after_a_few_seconds_and_never_older_than_the_history():
    history = pictured(10.0)
    first = numbers(history.examples(3))
    history.add(result(101), {1: np.full((4, 4, 3), 101, np.uint8)})
    assert numbers(history.examples(3)) == first
    for index in range(102, 160):
        history.add(result(index), {1: np.full((4, 4, 3), index, np.uint8)})
    assert numbers(history.examples(3)) != first
    for index in range(500, 520):
        history.add(result(index), {})
    assert history.examples(3) == ()


def test_pictures_can_be_forgotten_without_the_shares():
    history = pictured(3.0)
    history.forget_pictures()
    assert history.examples(3) == ()
    assert history.shares().known


def test_without_pictures_there_are_no_examples():
    assert filled(result(0), result(1)).examples(3) == ()
