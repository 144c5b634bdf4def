"""Captions: WebVTT and SubRip for people, and a WebVTT metadata track whose cues are JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.export.episodes import Episode, Kind, adjectives, episodes_of
from app.export.job import ExportJob, Progress

_NOT_ASSESSED = {"reject": "not assessed (unlike the training data)", "low_quality": "not assessed (not seen well)"}


@dataclass(frozen=True, slots=True)
class _Cue:
    start_ms: int
    end_ms: int
    text: str


def write_webvtt(job: ExportJob, path: Path, report: Progress) -> None:
    """Write captions such as "face 1: happy or surprised (ambiguous)", one line per face."""
    note = f"Written by Mien {job.header.app_version}. Labels describe what a face looks like, not what anyone feels."
    blocks = ["WEBVTT", f"NOTE {_vtt(note)}"]
    blocks += [
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_vtt(cue.text)}" for cue in _captions(job, report)
    ]
    _write(path, blocks)


def write_srt(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the same captions as SubRip."""
    _write(
        path,
        [
            f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{cue.text}"
            for number, cue in enumerate(_captions(job, report), start=1)
        ],
    )


def write_metadata_track(job: ExportJob, path: Path, report: Progress) -> None:
    """Write one cue per episode of expressions and of faces that were not assessed; its text is a JSON object."""
    blocks = ["WEBVTT", "NOTE kind: metadata"]
    for episode in episodes_of(job, report):
        if not _is_shown(episode):
            continue
        start_ms, end_ms = _span(episode)
        cue = {
            "face_id": episode.face_id,
            "decision": _decision(episode),
            "labels": list(episode.labels),
            "confidence": None if episode.mean is None else round(episode.mean, 3),
        }
        blocks.append(f"{_time(start_ms, '.')} --> {_time(end_ms, '.')}\n{json.dumps(cue, separators=(',', ':'))}")
    _write(path, blocks)


def _captions(job: ExportJob, report: Progress) -> Iterator[_Cue]:
    """One cue between two changes, with a line per face; none while no face is shown."""
    changes: dict[int, list[tuple[bool, Episode]]] = {}
    for episode in filter(_is_shown, episodes_of(job, report)):
        start_ms, end_ms = _span(episode)
        changes.setdefault(start_ms, []).append((True, episode))
        changes.setdefault(end_ms, []).append((False, episode))
    shown: dict[int, Episode] = {}
    times = sorted(changes)
    for time_ms, next_ms in zip(times, times[1:], strict=False):
        for starts, episode in sorted(changes[time_ms], key=lambda change: change[0]):  # ends first
            if starts:
                shown[episode.face_id] = episode
            elif shown.get(episode.face_id) is episode:
                del shown[episode.face_id]
        if shown:
            yield _Cue(time_ms, next_ms, "\n".join(_line(shown[face]) for face in sorted(shown)))


def _is_shown(episode: Episode) -> bool:
    return episode.kind is Kind.EXPRESSION or (episode.kind is Kind.DECISION and episode.value in _NOT_ASSESSED)


def _decision(episode: Episode) -> str:
    if episode.kind is Kind.DECISION:
        return episode.value
    return "ambiguous" if len(episode.labels) > 1 else "accept"


def _line(episode: Episode) -> str:
    if episode.kind is Kind.DECISION:
        return f"face {episode.face_id}: {_NOT_ASSESSED[episode.value]}"
    note = " (ambiguous)" if len(episode.labels) > 1 else ""
    return f"face {episode.face_id}: {adjectives(episode.labels)}{note}"


def _span(episode: Episode) -> tuple[int, int]:
    """Start and end in whole milliseconds, at least one apart."""
    start_ms, end_ms = round(1000 * episode.start_s), round(1000 * episode.end_s)
    return start_ms, max(end_ms, start_ms + 1)


def _time(milliseconds: int, mark: str) -> str:
    """A time as both formats write it, with their mark before the milliseconds."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{mark}{milliseconds:03d}"


def _vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write(path: Path, blocks: list[str]) -> None:
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", newline="\n")
