"""The neutral baseline of a person: estimation, shrinkage, subtraction, and the book of a live source."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.action_units import sigmoid
from engine.baseline import (
    COLLECT_S,
    GIVE_UP_S,
    MIN_FRAMES,
    PRIOR_FRAMES,
    BaselineBook,
    FrameSample,
    above_neutral,
    corrected,
    estimate_baseline,
    frame_values,
    logits_of,
    subtract,
)
from engine.types import NO_BASELINE, BaselineState, Decision, FaceResult, Reason, Route, UnitBaseline
from engine.uncertainty import binary_decomposition
from tests.fakes.faces import fake_face

_USUAL = np.array([-3.0, -2.0], np.float32)
_NEUTRAL = Decision(Route.ACCEPT, Reason.CLEAR, ("neutral",), (0.9,))
_HAPPY = Decision(Route.ACCEPT, Reason.CLEAR, ("happiness",), (0.9,))
_REJECTED = Decision(Route.REJECT, Reason.LOW_QUALITY)


def _sample(count: int, *values: float) -> FrameSample:
    sample = FrameSample()
    for _ in range(count):
        sample.add(np.array(values, np.float32))
    return sample


def _face(*logits: float) -> FaceResult:
    occurrence = tuple(float(value) for value in sigmoid(np.array(logits, np.float32), 1.0))
    return fake_face(units=(4, 12), occurrence=occurrence)


def test_the_shift_is_the_difference_from_the_usual_face_shrunk_by_the_number_of_frames() -> None:
    found = estimate_baseline(_sample(90, -1.0, -2.5), _USUAL)
    weight = 90 / (90 + PRIOR_FRAMES)
    assert found.state is BaselineState.KNOWN
    assert found.frames == 90
    assert found.shift == pytest.approx([weight * 2.0, weight * -0.5])
    assert found.error == pytest.approx([0.0, 0.0])  # the frames are all alike


def test_few_frames_change_little_and_too_few_nothing() -> None:
    few, many = (estimate_baseline(_sample(count, 0.0, 0.0), _USUAL) for count in (MIN_FRAMES, 1000))
    assert few.shift is not None
    assert many.shift is not None
    assert 0 < few.shift[0] < 0.4 * many.shift[0] < 0.4 * 3.0
    none = estimate_baseline(_sample(MIN_FRAMES - 1, 0.0, 0.0), _USUAL)
    assert none.state is BaselineState.UNKNOWN
    assert none.frames == MIN_FRAMES - 1
    assert none.shift is None


def test_a_smile_in_a_few_frames_does_not_move_the_median() -> None:
    sample = _sample(80, -3.0, -2.0)
    for _ in range(10):
        sample.add(np.array([4.0, 4.0], np.float32))
    assert estimate_baseline(sample, _USUAL).shift == pytest.approx([0.0, 0.0])


def test_frames_that_differ_leave_an_error_that_falls_with_their_number() -> None:
    random = np.random.default_rng(0)
    found = []
    for count in (30, 300):
        sample = FrameSample()
        for values in random.normal(-1.0, 1.0, (count, 2)).astype(np.float32):
            sample.add(values)
        error = estimate_baseline(sample, _USUAL).error
        assert error is not None
        found.append(float(error[0]))
    assert 0 < found[1] < 0.8 * found[0]


def test_a_long_sample_stays_small_and_evenly_spread() -> None:
    sample = FrameSample()
    for value in range(10_000):
        sample.add(np.array([value], np.float32))
    kept = sample.values()
    assert sample.count == 10_000
    assert len(kept) <= 1024
    assert float(np.median(kept)) == pytest.approx(5_000, abs=20)
    again = FrameSample.of_state(sample.state())
    assert again.state() == sample.state()


def test_intensities_above_the_neutral_face_keep_0_5_and_their_order() -> None:
    graded = np.linspace(0, 5, 101, dtype=np.float32)
    for neutral in (0.0, 0.3, 2.0, 4.9, 5.0):
        above = above_neutral(graded, np.full(101, neutral, np.float32))
        assert (above[0], above[-1]) == (0.0, 5.0)
        assert np.isfinite(above).all()
        assert (above >= 0).all()
        assert (np.diff(above) >= 0).all()
        assert (above <= graded + 1e-6).all()
        assert (above[graded <= min(neutral, 4.5)] == 0).all()
    assert above_neutral(graded, np.zeros(101, np.float32)) == pytest.approx(graded)
    assert above_neutral(np.array([3.0], np.float32), np.array([1.0], np.float32)) == pytest.approx([5 * 2 / 4])
    assert np.isnan(above_neutral(np.array([np.nan], np.float32), np.array([1.0], np.float32))).all()


def test_the_intensity_of_the_neutral_frames_is_shrunk_like_the_shift() -> None:
    found = estimate_baseline(_sample(90, -1.0, -2.5, 2.0, -0.1), _USUAL)  # two units: logits, then intensities
    weight = 90 / (90 + PRIOR_FRAMES)
    assert found.shift == pytest.approx([weight * 2.0, weight * -0.5])
    assert found.intensity == pytest.approx([weight * 2.0, 0.0])  # a network may go a little below 0
    highest = estimate_baseline(_sample(10_000, 0.0, 0.0, 5.0, 5.0), _USUAL).intensity
    assert highest == pytest.approx([4.5, 4.5])
    assert estimate_baseline(_sample(90, -1.0, -2.5), _USUAL).intensity is None


def test_frames_of_a_state_without_intensities_leave_only_their_logits() -> None:
    sample = _sample(40, -1.0, -2.5)
    sample.add(frame_values(np.array([0.5, 0.5], np.float32), np.array([1.0, 1.0], np.float32)))
    found = estimate_baseline(sample, _USUAL)
    assert (found.frames, found.intensity) == (41, None)


def test_a_neutral_face_has_intensity_0_after_enough_frames() -> None:
    calm = fake_face(units=(4, 12), occurrence=(0.4, 0.1), graded=True).action_units  # intensities 1.6 and 0.4
    smiling = fake_face(units=(4, 12), occurrence=(0.4, 0.9), graded=True).action_units  # 1.6 and 3.6
    book = BaselineBook(_USUAL, automatic=True)
    for frame in range(3000):
        known = book.observe(1, calm, _NEUTRAL, frame / 10)
    neutral, shown = corrected(calm, known).intensity, corrected(smiling, known).intensity
    assert neutral == pytest.approx([0.0, 0.0], abs=0.05)
    assert shown == pytest.approx([0.0, 5 * 3.2 / 4.6], abs=0.05)
    plain = fake_face(units=(4, 12), occurrence=(0.4, 0.1)).action_units
    assert corrected(plain, known).intensity is None
    without = UnitBaseline(BaselineState.KNOWN, 90, known.shift, known.error)
    assert corrected(calm, without).intensity == pytest.approx([1.6, 0.4])


def test_subtracting_shifts_the_logits_and_adds_the_error_to_the_deviation() -> None:
    baseline = UnitBaseline(BaselineState.KNOWN, 90, np.array([2.0, 0.0], np.float32), np.array([0.3, 0.0], np.float32))
    p, sd = np.array([0.5, 0.2], np.float32), np.array([0.05, 0.02], np.float32)
    after, deviation = subtract(p, sd, baseline)
    expected = 1 / (1 + np.exp(2.0))
    assert after == pytest.approx([expected, 0.2])
    slope = expected * (1 - expected)
    assert deviation == pytest.approx([slope * np.hypot(0.05 / 0.25, 0.3), 0.02])


@pytest.mark.parametrize("state", [BaselineState.NONE, BaselineState.COLLECTING, BaselineState.UNKNOWN])
def test_without_a_known_baseline_nothing_changes(state: BaselineState) -> None:
    units = fake_face().action_units
    assert corrected(units, UnitBaseline(state, 3)) is units


def test_occurrences_of_0_and_1_stay_finite() -> None:
    shift = np.full(2, 5.0, np.float32)
    baseline = UnitBaseline(BaselineState.KNOWN, 90, shift, np.full(2, 9.0, np.float32))
    after, deviation = subtract(np.array([0.0, 1.0], np.float32), np.zeros(2, np.float32), baseline)
    assert np.isfinite(after).all()
    assert np.isfinite(deviation).all()
    assert (deviation <= np.sqrt(after * (1 - after)) + 1e-6).all()


def test_the_corrected_estimate_is_near_that_of_shifted_samples() -> None:
    """The mean and deviation in a session are enough: the samples of the masks, shifted one by one, say the same."""
    random = np.random.default_rng(1)
    logits = (np.array([-1.0, 0.5, 2.0]) + random.normal(0, 0.15, (20, 3))).astype(np.float32)
    shift = np.array([1.5, -1.0, 0.7], np.float32)
    before, after = sigmoid(logits, 1.0), sigmoid(logits - shift, 1.0)
    face = fake_face(units=(1, 4, 12), occurrence=tuple(before.mean(0).tolist())).action_units
    units = type(face)(
        face.codes,
        before.mean(0),
        before.std(0),
        *(np.zeros(3, np.float32), np.zeros(3, np.float32)),
        *(face.mask_mean, face.mask_std, face.adjacency),
    )
    found = corrected(units, UnitBaseline(BaselineState.KNOWN, 90, shift, np.zeros(3, np.float32)))
    parts = binary_decomposition(after)
    assert found.occurrence == pytest.approx(after.mean(0), abs=0.002)
    assert found.occurrence_std == pytest.approx(after.std(0), abs=0.002)
    assert found.epistemic == pytest.approx(parts.epistemic, abs=0.0005)
    assert found.aleatoric == pytest.approx(parts.aleatoric, abs=0.005)


def test_a_known_baseline_needs_a_shift() -> None:
    with pytest.raises(ValueError, match="needs both shift and error"):
        UnitBaseline(BaselineState.KNOWN, 90)
    with pytest.raises(ValueError, match="has an intensity, which needs a shift"):
        UnitBaseline(BaselineState.UNKNOWN, 3, intensity=np.zeros(2, np.float32))


def test_a_face_is_left_alone_until_somebody_asks() -> None:
    book = BaselineBook(_USUAL)
    face = _face(-1.0, -1.0)
    assert book.observe(1, face.action_units, _NEUTRAL, 0.0) is NO_BASELINE


def _calibrated(book: BaselineBook, frames: int = 40, decision: Decision = _HAPPY) -> UnitBaseline:
    """Collect at 10 frames per second; returns what holds after the last one."""
    book.collect(1)
    face, found = _face(-1.0, -1.0), NO_BASELINE
    for frame in range(frames):
        found = book.observe(1, face.action_units, decision, frame / 10)
    return found


def test_collecting_takes_three_seconds_whatever_the_face_is_called() -> None:
    book = BaselineBook(_USUAL)
    book.collect(1)
    face = _face(-1.0, -1.0)
    early = book.observe(1, face.action_units, _HAPPY, 5.0)
    assert early.state is BaselineState.COLLECTING
    assert early.frames == 1
    assert early.shift is None
    found = _calibrated(book)
    assert found.state is BaselineState.KNOWN
    assert found.frames == round(10 * COLLECT_S) + 1
    assert book.observe(2, face.action_units, _HAPPY, 9.0) is NO_BASELINE  # another face


def test_frames_that_are_not_assessed_do_not_count_and_in_the_end_nothing_is_known() -> None:
    book = BaselineBook(_USUAL)
    assert _calibrated(book, round(10 * GIVE_UP_S), _REJECTED).state is BaselineState.COLLECTING
    last = book.observe(1, _face(-1.0, -1.0).action_units, _REJECTED, GIVE_UP_S)
    assert last.state is BaselineState.UNKNOWN
    assert last.frames == 0


def test_clearing_and_undoing() -> None:
    book = BaselineBook(_USUAL)
    known = _calibrated(book)
    face = _face(-1.0, -1.0).action_units
    assert book.made_by_hand
    book.clear(1)
    assert book.observe(1, face, _HAPPY, 5.0) is NO_BASELINE
    assert not book.made_by_hand
    book.undo(1)
    assert book.observe(1, face, _HAPPY, 5.1) is known
    book.collect(1)
    again = book.observe(1, face, _HAPPY, 5.2)
    assert again.state is BaselineState.COLLECTING
    assert again.shift == pytest.approx(known.shift)
    book.undo(1)
    assert book.observe(1, face, _HAPPY, 5.3) is known


def test_the_automatic_baseline_waits_for_neutral_frames_and_uses_no_others() -> None:
    book = BaselineBook(_USUAL, automatic=True)
    calm, smiling = _face(-1.0, -2.0).action_units, _face(3.0, 3.0).action_units
    for frame in range(50):
        waiting = book.observe(1, smiling, _HAPPY, frame / 10)
    assert waiting.state is BaselineState.COLLECTING
    assert waiting.frames == 0
    found = [book.observe(1, calm, _NEUTRAL, 5 + frame / 10) for frame in range(60)]
    assert [each.state for each in found[: MIN_FRAMES - 1]] == [BaselineState.COLLECTING] * (MIN_FRAMES - 1)
    assert found[-1].state is BaselineState.KNOWN
    assert found[-1].shift is not None
    assert found[-1].shift[0] > found[MIN_FRAMES].shift[0] > 0
    assert found[-1].shift[1] == pytest.approx(0.0, abs=1e-5)


def test_what_a_person_decided_is_not_replaced_automatically() -> None:
    book = BaselineBook(_USUAL, automatic=True)
    book.clear(1)
    calm = _face(-1.0, -2.0).action_units
    for frame in range(2 * MIN_FRAMES):
        assert book.observe(1, calm, _NEUTRAL, frame / 10) is NO_BASELINE


def test_undoing_without_a_change_keeps_the_automatic_baseline() -> None:
    book = BaselineBook(_USUAL, automatic=True)
    book.undo(1)
    calm = _face(-1.0, -2.0).action_units
    for frame in range(2 * MIN_FRAMES):
        known = book.observe(1, calm, _NEUTRAL, frame / 10)
    assert known.state is BaselineState.KNOWN
    book.undo(1)
    assert book.observe(1, calm, _HAPPY, 3.0) is known
    book.clear(1)
    assert book.observe(1, calm, _HAPPY, 3.1) is NO_BASELINE
    book.undo(1)
    assert book.observe(1, calm, _HAPPY, 3.2) is known


def test_a_face_that_is_gone_is_forgotten_unless_it_is_kept_or_awaited() -> None:
    book = BaselineBook(_USUAL)
    _calibrated(book)
    book.collect(2)  # asked for, but not seen since
    face = _face(-1.0, -1.0).action_units
    book.forget(100.0, 1.0, kept=(1,))
    assert book.observe(1, face, _HAPPY, 100.0).state is BaselineState.KNOWN
    book.forget(200.0, 1.0)
    assert book.observe(1, face, _HAPPY, 200.0) is NO_BASELINE
    assert book.observe(2, face, _HAPPY, 200.0).state is BaselineState.COLLECTING


def test_a_face_that_was_in_view_without_being_analysed_is_seen() -> None:
    book = BaselineBook(_USUAL)
    known = _calibrated(book)  # last analysed at 3.9 s
    book.forget(4.8, 1.0, kept=(1,))
    book.forget(5.5, 1.0)  # out of view for 0.7 s: its track has not ended
    assert book.observe(1, _face(-1.0, -1.0).action_units, _HAPPY, 5.5) is known


def test_a_restored_book_goes_on_the_same() -> None:
    calm = fake_face(units=(4, 12), occurrence=(0.3, 0.1), graded=True).action_units
    books = [BaselineBook(_USUAL, automatic=True) for _ in range(2)]
    for frame in range(20):
        books[0].observe(1, calm, _NEUTRAL, frame / 10)
    books[0].collect(1)
    books[0].observe(1, calm, _HAPPY, 2.0)
    books[1].restore(books[0].snapshot())
    for frame in range(40):
        mine, theirs = (book.observe(1, calm, _HAPPY, 2.1 + frame / 10) for book in books)
        assert mine.state is theirs.state
        assert mine.frames == theirs.frames
    assert mine.shift is not None
    assert theirs.shift is not None
    assert mine.shift == pytest.approx(theirs.shift, abs=0)
    assert mine.intensity is not None
    assert mine.intensity == pytest.approx(theirs.intensity, abs=0)
    assert books[0].snapshot() == books[1].snapshot()


def test_a_book_from_before_intensities_were_corrected_is_restored() -> None:
    book = BaselineBook(_USUAL)
    known = _calibrated(book)
    state = json.loads(book.snapshot())
    state["1"]["now"].pop()
    book.restore(json.dumps(state))
    again = book.observe(1, _face(-1.0, -1.0).action_units, _HAPPY, 9.0)
    assert again.shift == pytest.approx(known.shift)
    assert again.intensity is None


def test_logits_of_occurrences() -> None:
    logits = np.array([-5.0, 0.0, 4.0], np.float32)
    assert logits_of(sigmoid(logits, 1.0)) == pytest.approx(logits, abs=1e-3)
