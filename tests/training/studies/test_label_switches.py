"""Switches of the label in tracks."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.studies.label_switches import clip_switches, evaluate_switches


def test_switches_are_counted_within_a_track_and_per_minute_of_face() -> None:
    first = [(0.0, "a", "a"), (15.0, "b", "a"), (30.0, "a", "b")]
    second = [(0.0, "c", "c"), (30.0, "c", "c")]
    found = clip_switches("clip", [first, second])
    assert (found.minutes, found.tracks) == (1.0, 2)
    assert (found.raw_per_minute, found.shown_per_minute) == (2.0, 1.0)


def test_a_single_frame_has_no_rate() -> None:
    assert clip_switches("clip", [[(1.0, "a", "a")]]).raw_per_minute == 0.0


def test_no_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 0 clips has a face"):
        evaluate_switches([])


def test_a_clip_with_a_face_has_more_raw_than_shown_switches(face_models: None) -> None:
    clip = Path(__file__).resolve().parents[4] / "shared" / "media" / "pyfeat_mit" / "single_face.mp4"
    if not clip.is_file():
        pytest.skip(f"{clip.name} is not on this machine")
    report = evaluate_switches([clip])
    assert report.clips[0].minutes > 0.02
    assert report.shown_per_minute <= report.raw_per_minute
