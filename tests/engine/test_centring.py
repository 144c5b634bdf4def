"""Centred averages: their definition by brute force, no lag, no contradiction, resuming anywhere, bounded memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import hindsight
from engine.backends.contract import ExpressionCalibration
from engine.centring import REACH, CentredRouter
from engine.config import EngineConfig, RoutingConfig
from engine.errors import OutputError, Remedy
from engine.facs import EXPRESSIONS
from engine.hindsight import Hindsight, centring_of
from engine.routing import Router
from engine.types import (
    Analysis,
    ExpressionEstimate,
    FaceQuality,
    FaceResult,
    Float64,
    Frame,
    FrameResult,
    QualityReason,
    Route,
    Uncertainty,
)
from tests.fakes.faces import fake_face, fake_result, plain_decision

CALIBRATION = ExpressionCalibration(1.0, 1.2, 0.1, 0.05, (0.0, 0.1, 0.2), "fake")
CONFIG = RoutingConfig()
REACH_S = REACH * CONFIG.smoothing_s
KEEP_S = 1.0
BLURRED = FaceQuality(0.1, (QualityReason.BLURRED,))
#: By frame: each face in view, as (probabilities, aleatoric, epistemic, whether it is blurred).
Look = tuple[Float64, float, float, bool]
Film = list[dict[int, Look]]


def look(aleatoric: float = 0.3, epistemic: float = 0.02, blurred: bool = False, **shares: float) -> Look:
    rest = (1.0 - sum(shares.values())) / (len(EXPRESSIONS) - len(shares))
    return np.array([shares.get(name, rest) for name in EXPRESSIONS]), aleatoric, epistemic, blurred


def face_of(track_id: int, seen: Look) -> FaceResult:
    probabilities, aleatoric, epistemic, blurred = seen
    face = fake_face(track_id=track_id)
    single = probabilities.astype(np.float32)
    return dataclasses.replace(
        face,
        aligned=dataclasses.replace(face.aligned, quality=BLURRED if blurred else FaceQuality(0.9)),
        expression=ExpressionEstimate(single[np.newaxis], single),
        uncertainty=Uncertainty(aleatoric + epistemic, aleatoric, epistemic, 0.5),
    )


class CausalPipeline:
    """Routes the faces of a film as the real pipeline does; its state is that of its router."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self.router = Router(CALIBRATION, CONFIG)

    def track_all(self, frames: Sequence[Frame]) -> Analysis:
        return lambda: [self.process(frame) for frame in frames]

    def process(self, frame: Frame) -> FrameResult:
        faces = []
        for track_id, seen in self._film[frame.index].items():
            face = face_of(track_id, seen)
            estimate = (face.expression, face.uncertainty, face.aligned.quality)
            decision = self.router.route(track_id, *estimate, frame.timestamp_s)
            faces.append(dataclasses.replace(face, decision=decision))
        self.router.forget(frame.timestamp_s, KEEP_S)
        return fake_result(frame, *faces, snapshot=self.router.snapshot())


def frames_of(times_s: Sequence[float], width: int = 4) -> list[Frame]:
    return [Frame(np.zeros((4, width, 3), np.uint8), index, time_s, "clip") for index, time_s in enumerate(times_s)]


def stages(film: Film, group: int = 1) -> tuple[CausalPipeline, Hindsight]:
    pipeline = CausalPipeline(film)
    return pipeline, Hindsight(pipeline.track_all, 0.15, group, CentredRouter(CALIBRATION, CONFIG, KEEP_S))


def rest(delayed: Hindsight, frames: Sequence[Frame]) -> list[FrameResult]:
    """Results of all these frames, the last ones of the source."""
    results = [result for frame in frames for result in delayed.feed(frame)]
    results += delayed.flush()
    delayed.end()
    return results


def run(film: Film, frames: Sequence[Frame], group: int = 1) -> list[FrameResult]:
    return rest(stages(film, group)[1], frames)


def steady(result: FrameResult, track_id: int = 1) -> Float64:
    (face,) = [face for face in result.faces if face.track.track_id == track_id]
    assert face.decision.steady is not None
    return face.decision.steady.probabilities


def average(samples: list[tuple[float, Float64]], end_s: float) -> Float64:
    """The causal average at ``end_s``, step by step."""
    value, seen_s = samples[0][1], samples[0][0]
    for time_s, sample in samples[1:]:
        value = sample + (value - sample) * math.exp(-abs(time_s - seen_s) / CONFIG.smoothing_s)
        seen_s = time_s
    return value


TIMES = st.lists(st.sampled_from([0.01, 0.04, 0.1, 0.3, 1.0]), min_size=1, max_size=20)


@st.composite
def films(draw: st.DrawFn) -> tuple[Film, list[Frame]]:
    """Up to two faces that come and go, some of them blurred, in frames of irregular times."""
    frames = frames_of(np.cumsum(draw(TIMES)).tolist())
    film: Film = [{} for _ in frames]
    for track_id in (1, 2):
        for seen in film:
            if draw(st.integers(0, 5)):
                name = draw(st.sampled_from(["happiness", "anger", "fear"]))
                share = draw(st.sampled_from([0.4, 0.6, 0.9]))
                seen[track_id] = look(
                    draw(st.sampled_from([0.3, 1.1, 1.5])),
                    draw(st.sampled_from([0.02, 0.15])),
                    draw(st.integers(0, 4)) == 0,
                    **{name: share},
                )
    return film, frames


@given(films())
def test_the_average_is_the_mean_of_that_of_the_past_and_that_of_the_future(case: tuple[Film, list[Frame]]) -> None:
    film = [{1: seen[1]} if 1 in seen else {} for seen in case[0]]
    # never away for so long that the router forgets it
    frames = frames_of([0.04 * index for index in range(len(film))])
    for index, result in enumerate(run(film, frames)):
        if not result.faces:
            continue
        good = [
            (frame.timestamp_s, seen[1][0])
            for frame, seen in zip(frames, film, strict=True)
            if 1 in seen and not seen[1][3]
        ]
        now_s = frames[index].timestamp_s
        past = [sample for sample in good if sample[0] <= now_s]
        future = [sample for sample in good if now_s <= sample[0] <= now_s + REACH_S][::-1]
        sides = [average(side, now_s) for side in (past, future) if side]
        decision = result.faces[0].decision
        if not sides:
            assert decision.steady is None
            continue
        assert decision.steady is not None
        np.testing.assert_allclose(decision.steady.probabilities, np.mean(sides, axis=0), atol=1e-6)


def test_a_label_changes_in_the_frame_in_which_the_face_does() -> None:
    film: Film = [{1: look(happiness=0.9)}] * 50 + [{1: look(anger=0.9)}] * 50
    frames = frames_of([0.04 * index for index in range(100)])
    results = run(film, frames)
    tops = [EXPRESSIONS[int(np.argmax(steady(result)))] for result in results]
    assert tops == ["happiness"] * 50 + ["anger"] * 50
    causal = CausalPipeline(film)
    late = [steady(causal.process(frame)) for frame in frames]
    assert EXPRESSIONS[int(np.argmax(late[52]))] == "happiness"  # live, the average lags


def test_the_averages_of_a_film_played_backwards_are_the_same() -> None:
    rng = np.random.default_rng(3)
    # shorter than the reach, beyond which only the past counts
    film: Film = [{1: look(happiness=float(share))} for share in rng.uniform(0.2, 0.9, 30)]
    frames = frames_of([0.04 * index for index in range(30)])
    forwards = [steady(result) for result in run(film, frames)]
    backwards = [steady(result) for result in run(film[::-1], frames)][::-1]
    np.testing.assert_allclose(forwards, backwards, atol=1e-9)


@given(films())
def test_no_row_of_a_file_contradicts_its_steady_estimate(case: tuple[Film, list[Frame]]) -> None:
    for result in run(*case):
        for face in result.faces:
            decision = face.decision
            if decision.route is Route.REJECT:
                continue
            assert decision.steady is not None
            assert decision.labels[0] == EXPRESSIONS[int(np.argmax(decision.steady.probabilities))]
            assert decision.steady.uncertainty.epistemic <= CALIBRATION.epistemic_limit
            if decision.route is Route.ACCEPT:
                assert decision.steady.uncertainty.aleatoric <= CALIBRATION.aleatoric_limit


@given(films(), st.data())
def test_a_run_resumed_after_any_frame_gives_the_same_results(
    case: tuple[Film, list[Frame]], data: st.DataObject
) -> None:
    film, frames = case
    whole = run(film, frames)
    last = data.draw(st.integers(0, len(frames) - 1))
    snapshot = whole[last].snapshot
    assert snapshot is not None
    pipeline, delayed = stages(film, group=data.draw(st.sampled_from([1, 3])))
    pipeline.router.restore(delayed.restore(snapshot))
    resumed = rest(delayed, frames[last + 1 :])
    assert len(resumed) == len(frames) - last - 1
    for one, other in zip(whole[last + 1 :], resumed, strict=True):
        assert [plain_decision(face.decision) for face in one.faces] == [
            plain_decision(face.decision) for face in other.faces
        ]
        assert one.snapshot == other.snapshot


def test_results_wait_for_the_reach_and_no_longer() -> None:
    film: Film = [{1: look(happiness=0.9)}] * 100
    delayed, held = stages(film)[1], 0
    for frame in frames_of([0.04 * index for index in range(100)]):
        held += 1 - len(delayed.feed(frame))
        assert held <= REACH_S / 0.04 + 2  # one of them is being analysed
    assert held == len(delayed.flush())
    delayed.end()


def test_large_images_shorten_the_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hindsight, "_MAX_BYTES", 5 * 4 * 1000 * 3)
    film: Film = [{1: look(happiness=0.9)}] * 20
    delayed, held = stages(film)[1], 0
    for frame in frames_of([0.04 * index for index in range(20)], width=1000):
        held += 1 - len(delayed.feed(frame))
        assert held <= 5 + 1
    delayed.end()


def test_a_damaged_state_is_refused() -> None:
    delayed = stages([])[1]
    for text in ("", "{}", '{"pipeline": "x"}', '{"pipeline": "x", "centring": "[]"}'):
        with pytest.raises(OutputError, match="saved state cannot be read") as caught:
            delayed.restore(text)
        assert caught.value.remedy is Remedy.RESTART


def test_without_averages_nothing_is_centred() -> None:
    config = EngineConfig(routing=RoutingConfig(smoothing_s=0.0))
    assert centring_of(config, CALIBRATION) is None
    assert centring_of(EngineConfig(), CALIBRATION) is not None
