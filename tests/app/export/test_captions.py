"""Captions, read back with webvtt-py and srt."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.export.captions import _time


def test_webvtt_captions_have_a_line_per_face(write) -> None:
    webvtt = pytest.importorskip("webvtt")
    cues = [(cue.start, cue.end, cue.text) for cue in webvtt.read(str(write("webvtt") / "captions.vtt"))]
    assert cues == [
        ("00:00:00.500", "00:00:02.500", "face 1: happy"),
        ("00:00:02.500", "00:00:03.500", "face 1: happy or surprised (ambiguous)\nface 2: neutral"),
        ("00:00:03.500", "00:00:04.000", "face 1: not assessed (unlike the training data)"),
        ("00:00:04.000", "00:00:04.500", "face 1: not assessed (not seen well)"),
    ]


def test_subrip_has_the_same_cues(write) -> None:
    srt = pytest.importorskip("srt")
    cues = list(srt.parse((write("srt") / "captions.srt").read_text(encoding="utf-8")))
    assert [cue.index for cue in cues] == [1, 2, 3, 4]
    assert (cues[0].start, cues[0].end) == (timedelta(seconds=0.5), timedelta(seconds=2.5))
    assert cues[1].content == "face 1: happy or surprised (ambiguous)\nface 2: neutral"
    assert not any(one.end > other.start for one, other in zip(cues, cues[1:], strict=False))


def test_the_metadata_track_is_json(write) -> None:
    webvtt = pytest.importorskip("webvtt")
    cues = list(webvtt.read(str(write("webvtt") / "metadata.vtt")))
    content = [json.loads(cue.text) for cue in cues]
    assert content[:3] == [
        {"face_id": 1, "decision": "accept", "labels": ["happiness"], "confidence": 0.6},
        {"face_id": 1, "decision": "ambiguous", "labels": ["happiness", "surprise"], "confidence": 0.6},
        {"face_id": 2, "decision": "accept", "labels": ["neutral"], "confidence": 0.6},
    ]
    assert [(item["decision"], item["labels"], item["confidence"]) for item in content[3:]] == [
        ("reject", [], None),
        ("low_quality", [], None),
    ]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "00:00:00.000"), (59_999, "00:00:59.999"), (3_600_000, "01:00:00.000"), (360_000_001, "100:00:00.001")],
)
def test_times_are_written_to_the_millisecond(milliseconds: int, text: str) -> None:
    assert _time(milliseconds, ".") == text
