"""Pixels of the timeline rows."""

from __future__ import annotations

import numpy as np

from app.review.face_timeline import FaceBuckets, FaceState
from app.review.timeline_pixels import TimelineColours, packed, ramp, runs, state_pixels, unit_pixels

GROUND, GREY, INK = packed(255, 255, 255), packed(200, 200, 200), packed(90, 90, 90)
RED, GREEN, DARK_GREEN = packed(255, 0, 0), packed(0, 255, 0), packed(0, 160, 0)
COLOURS = TimelineColours(
    GROUND,
    GREY,
    INK,
    ("neutral", "happiness"),
    np.array([RED, GREEN], np.uint32),
    np.array([RED, DARK_GREEN], np.uint32),
    ramp(GROUND, packed(0, 0, 255), 0.3),
    ramp(GROUND, packed(0, 0, 100), 0.0),
    ramp(GROUND, packed(50, 50, 50), 0.0),
)


def buckets(*columns: tuple[FaceState, int, int]) -> FaceBuckets:
    states, labels, seconds = zip(*columns, strict=True)
    return FaceBuckets(np.array(states, np.uint8), np.array(labels, np.int8), np.array(seconds, np.int8))


def colours_of(state: FaceState, label: int = -1, second: int = -1) -> set[int]:
    pixels = state_pixels(buckets(*[(state, label, second)] * 24), COLOURS, 12, 0, 6)
    assert pixels.shape == (12, 24)
    return set(pixels.flatten().tolist())


def test_one_label_has_its_colour_and_its_pattern() -> None:
    assert colours_of(FaceState.ACCEPT, 0) == {RED}
    assert colours_of(FaceState.ACCEPT, 1) == {GREEN, DARK_GREEN}


def test_the_pattern_of_a_label_is_in_its_own_columns_only() -> None:
    happy, neutral, absent = (FaceState.ACCEPT, 1, -1), (FaceState.ACCEPT, 0, -1), (FaceState.ABSENT, -1, -1)
    pixels = state_pixels(buckets(*[neutral] * 12, *[happy] * 12, *[absent] * 12), COLOURS, 12, 0, 12)
    assert set(pixels[:, :12].flatten().tolist()) == {RED}
    assert set(pixels[:, 12:24].flatten().tolist()) == {GREEN, DARK_GREEN}
    assert set(pixels[:, 24:].flatten().tolist()) == {GROUND}


def test_two_labels_are_a_hatch_of_both() -> None:
    assert colours_of(FaceState.AMBIGUOUS, 0, 1) == {RED, GREEN}


def test_not_assessed_and_low_quality_are_different_marks_on_grey() -> None:
    assert colours_of(FaceState.REJECT) == colours_of(FaceState.LOW_QUALITY) == {GREY, INK}
    rejected = state_pixels(buckets(*[(FaceState.REJECT, -1, -1)] * 24), COLOURS, 12, 0, 6)
    unseen = state_pixels(buckets(*[(FaceState.LOW_QUALITY, -1, -1)] * 24), COLOURS, 12, 0, 6)
    assert (rejected != unseen).any()


def test_no_face_is_empty() -> None:
    assert colours_of(FaceState.ABSENT) == {GROUND}


def test_patterns_scroll_with_the_content() -> None:
    columns = [(FaceState.AMBIGUOUS, 0, 1)] * 24
    whole = state_pixels(buckets(*columns), COLOURS, 12, 100, 6)
    scrolled = state_pixels(buckets(*columns[5:]), COLOURS, 12, 105, 6)
    assert (whole[:, 5:] == scrolled).all()


def test_units_show_occurrence_presence_and_trust() -> None:
    occurrence = np.array([[0.9, 0.9], [0.2, 0.2], [np.nan, np.nan]], np.float32)
    pixels = unit_pixels(occurrence, (0.5, 0.5), (True, False), COLOURS)
    assert pixels.shape == (2, 3)
    present, untrusted = pixels
    assert present[0] == COLOURS.present[round(0.9 * 255)]
    assert present[1] == COLOURS.below[round(0.2 * 255)]
    assert untrusted[0] == COLOURS.untrusted[round(0.9 * 255)]  # never shown as present
    assert present[2] == untrusted[2] == GROUND


def test_a_ramp_ends_in_its_colour() -> None:
    levels = ramp(packed(0, 0, 0), packed(10, 20, 30), 0.5)
    assert levels[-1] == packed(10, 20, 30)
    assert levels[0] == packed(5, 10, 15)


def test_runs_are_adjacent_columns_with_the_same_content() -> None:
    happy, both, gone = (FaceState.ACCEPT, 1, -1), (FaceState.AMBIGUOUS, 1, 0), (FaceState.ABSENT, -1, -1)
    found = runs(buckets(happy, happy, happy, both, both, gone, gone, gone, happy), 2)
    assert [(run.left, run.right, run.state, run.label, run.second) for run in found] == [
        (0, 3, FaceState.ACCEPT, 1, -1),
        (3, 5, FaceState.AMBIGUOUS, 1, 0),
    ]
