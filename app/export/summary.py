"""Summary of a session as one HTML page: no script, nothing loaded from elsewhere, pictures inside the file."""

from __future__ import annotations

import base64
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import cv2
import numpy as np

from app.export.episodes import Episode, Kind, adjectives, episodes_of, unit_value
from app.export.job import ExportJob, Progress
from app.export.plots import Bar, Span, bars, clock, timeline
from app.overlay.disclaimer import DISCLAIMER
from app.overlay.palette import BAR_BELOW, BAR_PRESENT, GREY
from app.session.rows import NO_FACE, FaceRow
from engine.errors import SourceError
from engine.facs import UNIT_NAMES
from engine.types import UInt8

#: Faces with a row of their own, those shown longest; episodes in the list of ambiguous stretches.
_FACES: Final = 20
_AMBIGUOUS: Final = 12
#: Stretches of one face in the timeline; the shortest are left out beyond that, so that a page of two hours opens.
_SPANS: Final = 2000
#: Height of a thumbnail in pixels, its quality as JPEG, and its margin as a share of the box.
_THUMBNAIL_PX: Final = 144
_JPEG_QUALITY: Final = 80
_MARGIN: Final = 0.25
#: Decisions in the order in which they are listed, in plain words.
_DECISIONS: Final = {
    "accept": "one label",
    "ambiguous": "several labels fit",
    "reject": "not assessed: unlike the training data",
    "low_quality": "not assessed: not seen well",
}
_TEMPLATE: Final = Path(__file__).with_name("summary.html")


@dataclass(slots=True)
class _Counts:
    """Sums over the rows of a session."""

    frames: int = 0
    without_face: int = 0
    decisions: Counter[str] = field(default_factory=Counter)  # rows
    labels: Counter[str] = field(default_factory=Counter)  # accepted rows
    reasons: Counter[str] = field(default_factory=Counter)  # rows with low quality
    seen: Counter[int] = field(default_factory=Counter)  # rows by face
    present: Counter[int] = field(default_factory=Counter)  # rows by unit
    assessed: int = 0

    def add(self, job: ExportJob, rows: Sequence[FaceRow]) -> None:
        """Add the rows of a frame."""
        self.frames += 1
        for row in rows:
            if row.decision == NO_FACE or row.face_id is None:
                self.without_face += 1
                continue
            self.seen[row.face_id] += 1
            if row.carried:
                continue
            self.decisions[row.decision] += 1
            self.reasons.update(row.quality_reasons if row.decision == "low_quality" else ())
            self.labels.update(row.labels if row.decision == "accept" else ())
            units = job.unit_values(row)
            self.assessed += bool(units)
            self.present.update(code for code, value in units.items() if value > job.thresholds[code])


def write_summary(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the page."""
    counts = _Counts()
    for frame in job.frames(lambda share: report(0.4 * share)):
        counts.add(job, frame.rows)
    episodes = episodes_of(job, lambda share: report(0.4 + 0.4 * share), min_frames=1)
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(job.header.source_id),
        disclaimer=escape(DISCLAIMER),
        facts=_facts(job, counts),
        decisions=_decision_bars(counts),
        expressions=_expression_bars(job, counts),
        timeline=_timeline(job, counts, episodes),
        units=_unit_bars(job, counts),
        episodes=_episode_table(job, episodes),
        ambiguous=_ambiguous(job, episodes),
        notes=_notes(job),
        version=escape(job.header.app_version),
    )
    path.write_text(page, encoding="utf-8", errors="replace")
    report(1.0)


def _facts(job: ExportJob, counts: _Counts) -> str:
    """Source, model and counts as a list."""
    session, metadata, header = job.session, job.session.metadata, job.header
    facts = {
        "Source": header.source_id,
        "Length": clock(session.duration_s),
        "Frames analysed": f"{counts.frames:,}",
        "Frames without a face": f"{counts.without_face:,} ({_percent(counts.without_face, counts.frames)})",
        "Faces (tracks, not persons)": f"{len(counts.seen):,}",
        "Expression model": header.model_sha256[:12],
        "Limits": f"aleatoric {header.aleatoric_limit:g} nat, out of distribution {header.ood_limit:g}",
    }
    if metadata is not None:
        facts["Analysed"] = f"{metadata.start} by Mien {metadata.app_version}"
        if metadata.frames is not None:
            facts["Frames dropped, damaged"] = f"{metadata.frames.dropped:,}, {metadata.frames.damaged:,}"
    if job.choice.without_excluded and job.notes.exclusions:
        facts["Left out"] = f"{len(job.notes.exclusions)} excluded ranges"
    if job.baselines:
        facts["Action units"] = job.baseline_text
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    warnings = "".join(f'<p class="warning">{escape(text)}</p>' for text in session.warnings)
    return f"<dl>{items}</dl>{warnings}"


def _decision_bars(counts: _Counts) -> str:
    total = sum(counts.decisions.values())
    items = [
        Bar(name, _share(counts.decisions[key], total), _counted(counts.decisions[key], total), GREY)
        for key, name in (("accept", "one label"), ("ambiguous", "ambiguous"), ("reject", "unlike training"))
    ]
    low = counts.decisions["low_quality"]
    items.append(Bar("not seen well", _share(low, total), _counted(low, total)))
    reasons = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.reasons.most_common())
    note = f"<p>Reasons for “not seen well” (a face can have several): {escape(reasons)}.</p>" if reasons else ""
    return (
        bars("Shares of decisions over all faces and frames", items) if total else "<p>No face was found.</p>"
    ) + note


def _expression_bars(job: ExportJob, counts: _Counts) -> str:
    total = sum(counts.labels.values())
    if not total:
        return "<p>No face was given a single label.</p>"
    return bars(
        "Shares of labels over all accepted faces and frames",
        [
            Bar(
                adjectives((name,)),
                _share(counts.labels[name], total),
                _counted(counts.labels[name], total),
                expression=name,
            )
            for name in job.header.expressions
        ],
    )


def _unit_bars(job: ExportJob, counts: _Counts) -> str:
    codes = [job.header.au_codes[place] for place in job.unit_places]
    if not counts.assessed or not codes:
        return "<p>No action unit was assessed.</p>"
    trusted = set(job.header.au_trusted)
    return bars(
        "Share of assessed faces in which each action unit is present",
        [
            Bar(
                f"{unit_value(code)} {UNIT_NAMES.get(code, '')}{'' if code in trusted else ', not trusted'}",
                _share(counts.present[code], counts.assessed),
                _counted(counts.present[code], counts.assessed),
                BAR_PRESENT if code in trusted else BAR_BELOW,
            )
            for code in codes
        ],
    )


def _timeline(job: ExportJob, counts: _Counts, episodes: Sequence[Episode]) -> str:
    """One row per face, for those seen longest."""
    chosen = sorted(face for face, _ in counts.seen.most_common(_FACES))
    rows = []
    for face in chosen:
        spans = [span for episode in episodes if episode.face_id == face for span in _spans(episode)]
        longest = sorted(spans, key=lambda span: span.start_s - span.end_s)[:_SPANS]
        name = job.notes.name_of(face)
        rows.append(
            (f"face {face}: {name}" if name else f"face {face}", sorted(longest, key=lambda span: span.start_s))
        )
    if not rows:
        return "<p>No face was found.</p>"
    left_out = len(counts.seen) - len(chosen)
    note = f"<p>{left_out:,} faces seen for a shorter time are not shown.</p>" if left_out else ""
    return timeline("Expression of each face over time", rows, job.session.duration_s) + note


def _spans(episode: Episode) -> Iterator[Span]:
    title = f"{clock(episode.start_s)} to {clock(episode.end_s)}: "
    if episode.kind is Kind.EXPRESSION:
        several, words = len(episode.labels) > 1, title + adjectives(episode.labels)
        yield Span(episode.start_s, episode.end_s, words, episode.labels[0], hatched=several)
    elif episode.kind is Kind.DECISION and episode.value in ("reject", "low_quality"):
        yield Span(episode.start_s, episode.end_s, title + _DECISIONS[episode.value], empty=True)


def _episode_table(job: ExportJob, episodes: Sequence[Episode]) -> str:
    """Number and length of the episodes of each value."""
    groups: dict[tuple[str, str], list[Episode]] = {}
    for episode in episodes:
        if episode.kind is Kind.EXPRESSION:
            name = "ambiguous" if len(episode.labels) > 1 else adjectives(episode.labels)
            groups.setdefault(("expression", name), []).append(episode)
        elif episode.kind is Kind.UNIT:
            groups.setdefault(("action unit", episode.value), []).append(episode)
    lines = []
    for (kind, name), group in sorted(groups.items()):
        durations = [episode.duration_s for episode in group]
        cells = (
            kind,
            name,
            f"{len(group):,}",
            f"{sum(durations):.1f}",
            f"{float(np.median(durations)):.2f}",
            f"{max(durations):.2f}",
        )
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", "", "episodes", "total s", "median s", "longest s"))
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>" if lines else "<p>No episode.</p>"


def _ambiguous(job: ExportJob, episodes: Sequence[Episode]) -> str:
    """The longest ambiguous stretches, with a picture from the middle of each where there is a video."""
    several = [episode for episode in episodes if len(episode.labels) > 1]
    longest = sorted(several, key=lambda episode: -episode.duration_s)[:_AMBIGUOUS]
    if not longest:
        return "<p>No face was ambiguous.</p>"
    with contextlib.closing(_Thumbnails(job)) as picture_of:
        figures = []
        for episode in sorted(longest, key=lambda episode: episode.start_s):
            words = f"face {episode.face_id}, {clock(episode.start_s)}, {episode.duration_s:.2f} s: "
            words += adjectives(episode.labels)
            picture = picture_of(episode)
            image = "" if picture is None else f'<img alt="{escape(words)}" src="data:image/jpeg;base64,{picture}">'
            figures.append(f"<figure>{image}<figcaption>{escape(words)}</figcaption></figure>")
    return f'<div class="figures">{"".join(figures)}</div>'


class _Thumbnails:
    """Cuts faces out of the video; base64 of a JPEG."""

    def __init__(self, job: ExportJob) -> None:
        from app.review.clip import ClipReader  # imported here: only this needs av

        self._job = job
        self._clip: ClipReader | None = None
        video = job.session.video
        if job.choice.pictures and video is not None:
            with contextlib.suppress(SourceError):
                self._clip = ClipReader(video.path)

    def __call__(self, episode: Episode) -> str | None:
        """The face in the middle of an episode; None without a picture."""
        if self._clip is None:
            return None
        session, middle = self._job.session, (episode.first + episode.last) // 2
        row = next((row for row in session.rows_at(middle) if row.face_id == episode.face_id), None)
        try:
            image = self._clip.image_at(session.video_time_at(middle))
        except SourceError:
            return None
        cut = None if row is None else _cut(image, row)
        if cut is None:
            return None
        scale = _THUMBNAIL_PX / cut.shape[0]
        small = cv2.resize(cut, (max(round(cut.shape[1] * scale), 1), _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
        return base64.b64encode(encoded.tobytes()).decode("ascii")

    def close(self) -> None:
        """Close the video."""
        if self._clip is not None:
            self._clip.close()


def _cut(image: UInt8, row: FaceRow) -> UInt8 | None:
    """The box of a face with a margin; None if it lies outside the image."""
    if row.x is None or row.y is None or row.w is None or row.h is None:
        return None
    left, top = max(int(row.x - _MARGIN * row.w), 0), max(int(row.y - _MARGIN * row.h), 0)
    right, bottom = int(row.x + (1 + _MARGIN) * row.w), int(row.y + (1 + _MARGIN) * row.h)
    cut = image[top : max(bottom, 0), left : max(right, 0)]
    return cut if cut.size else None


def _notes(job: ExportJob) -> str:
    notes = job.notes
    if not (notes.labels or notes.markers or notes.exclusions or notes.events or notes.names or notes.neutral):
        return "<p>No notes.</p>"
    lines = [
        (label.start_s, f"face {label.face_id}: label {label.label}, until {clock(label.end_s)}")
        for label in notes.labels
    ]
    lines += [(marker.time_s, f"marker {marker.text}") for marker in notes.markers]
    lines += [(event.start_s, f"event {event.code}, until {clock(event.end_s)}") for event in notes.events]
    lines += [(exclusion.start_s, f"excluded until {clock(exclusion.end_s)}") for exclusion in notes.exclusions]
    lines += [(each.start_s, f"face {each.face_id}: neutral until {clock(each.end_s)}") for each in notes.neutral]
    coder = f"<p>Coder: {escape(notes.coder)}</p>" if notes.coder else ""
    people: dict[str, list[str]] = {}
    for name in notes.names:
        people.setdefault(name.name, []).append(str(name.face_id))
    named = "; ".join(f"{name}: {', '.join(faces)}" for name, faces in sorted(people.items()))
    coder += f"<p>Faces by name: {escape(named)}</p>" if named else ""
    items = "".join(f"<li>{clock(time_s)} {escape(text)}</li>" for time_s, text in sorted(lines))
    return f"{coder}<ul>{items}</ul>"


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "-"


def _counted(count: int, total: int) -> str:
    return f"{_percent(count, total)} ({count:,})"
