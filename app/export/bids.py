"""A BIDS derivative (bids-specification 1.11): events, and per face values resampled to a fixed rate.

BIDS has no data type for video or facial expression; ``beh`` with ``events`` and ``physio`` files is what it allows.
A recording of physiological values needs a fixed rate, so frames are resampled to the rate of the source, each sample
taking the nearest frame. The irregular original is the Parquet table.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.export.episodes import episodes_of, unit_value
from app.export.job import ExportFrame, ExportJob, Progress
from app.printable import plain
from app.session.rows import FaceRow
from app.session.text_tables import text_table
from engine.facs import UNIT_NAMES
from engine.records import json_text

_BIDS_VERSION: Final = "1.10.0"
_TASK: Final = "video"
_MISSING: Final = "n/a"
#: Lines of a face that are kept in memory.
_LINES_IN_MEMORY: Final = 4096
_STEPS: Final = 1000  # whose median is the step of a source without a stated rate


def write_bids(job: ExportJob, path: Path, report: Progress) -> None:
    """Write the data set into a new folder."""
    subject = re.sub(r"[^0-9A-Za-z]", "", Path(job.header.source_id).stem) or "01"
    folder = path / f"sub-{subject}" / "beh"
    path.mkdir()  # an error if the name is taken, by a link to elsewhere for example
    folder.mkdir(parents=True)
    stem = folder / f"sub-{subject}_task-{_TASK}"
    _write_description(job, path, subject)
    _write_events(job, stem, lambda share: report(share / 2))
    _write_recordings(job, stem, lambda share: report((1 + share) / 2))


def _write_description(job: ExportJob, path: Path, subject: str) -> None:
    header = job.header
    description = {
        "Name": f"Facial expression in {header.source_id}",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "Mien", "Version": header.app_version, "Description": f"expression model {header.model_sha256}"}
        ],
    }
    (path / "dataset_description.json").write_text(json_text(description), encoding="utf-8", errors="replace")
    (path / "README.md").write_text(f"{_README}\n{job.baseline_text}\n", encoding="utf-8")
    with text_table(path / "participants.tsv", delimiter="\t") as writer:
        writer.writerow(("participant_id",))
        writer.writerow((f"sub-{subject}",))
    described = {"Description": "The source as one participant; several people may be seen in it"}
    (path / "participants.json").write_text(json_text(described), encoding="utf-8")


def _write_events(job: ExportJob, stem: Path, report: Progress) -> None:
    """Write every episode and note, ordered by onset."""
    rows: list[tuple[float, float, str, str, Any, Any]] = [
        (
            episode.start_s,
            episode.duration_s,
            episode.kind.value,
            episode.value,
            episode.face_id,
            None if episode.mean is None else f"{episode.mean:.4f}",
        )
        for episode in episodes_of(job, report)
    ]
    notes = job.notes
    rows += [
        (label.start_s, label.end_s - label.start_s, "human", label.label, label.face_id, None)
        for label in notes.labels
    ]
    rows += [
        (exclusion.start_s, exclusion.end_s - exclusion.start_s, "excluded", "", None, None)
        for exclusion in notes.exclusions
    ]
    rows += [
        (event.start_s, event.end_s - event.start_s, "event", plain(event.code), None, None) for event in notes.events
    ]
    rows += [(marker.time_s, 0.0, "marker", plain(marker.text), None, None) for marker in notes.markers]
    with text_table(stem.with_name(f"{stem.name}_events.tsv"), delimiter="\t") as writer:
        writer.writerow(("onset", "duration", "trial_type", "value", "face_id", "mean", "person"))
        for onset_s, duration_s, *cells in sorted(rows, key=lambda row: row[:2]):
            person = plain(notes.name_of(cells[2]))
            texts = (_MISSING if cell is None or cell == "" else cell for cell in (*cells, person))
            writer.writerow((f"{onset_s:.6f}", f"{duration_s:.6f}", *texts))
    stem.with_name(f"{stem.name}_events.json").write_text(json_text(_EVENT_COLUMNS), encoding="utf-8")


def _columns(job: ExportJob) -> dict[str, dict[str, str]]:
    """Columns of a recording with their descriptions."""
    columns = {f"p_{name}": {"Description": f"calibrated probability of {name}"} for name in job.header.expressions}
    columns |= {f"q_{name}": {"Description": f"p_{name}, averaged over time"} for name in job.header.expressions}
    for code in (job.header.au_codes[place] for place in job.unit_places):
        name = UNIT_NAMES.get(code, "action unit")
        columns[unit_value(code)] = {"Description": f"probability that the unit is present: {name}"}
    return columns | _MEASURES


def _values(job: ExportJob, row: FaceRow) -> tuple[float | None, ...]:
    """One sample, in the order of `_columns`."""
    units = job.unit_values(row)
    return (
        *(row.probabilities or (None,) * len(job.header.expressions)),
        *(row.steady_probabilities or (None,) * len(job.header.expressions)),
        *(units.get(job.header.au_codes[place]) for place in job.unit_places),
        *(row.shares[0] if row.shares else None, row.ood_score, row.aleatoric, row.epistemic),
        *(row.steady_ood_score, row.steady_aleatoric, row.steady_epistemic),
        *(row.quality, row.yaw, row.pitch, row.roll),
    )


def _write_recordings(job: ExportJob, stem: Path, report: Progress) -> None:
    """Write one file per face, from its first to its last frame; times without the face are n/a."""
    rate = _rate(job)
    columns = _columns(job)
    recordings: dict[int, _Recording] = {}
    for sample, frame in _samples(job, rate, report):
        for row in frame.rows:
            if row.face_id is None:
                continue
            if row.face_id not in recordings:
                path = stem.with_name(f"{stem.name}_recording-face{row.face_id}_physio.tsv.gz")
                recordings[row.face_id] = _Recording(path, sample, len(columns))
            recordings[row.face_id].add(sample, _values(job, row))
    for face_id, recording in recordings.items():
        recording.close()
        person = plain(job.notes.name_of(face_id))
        face = f"face {face_id} ({person})" if person else f"face {face_id}"
        shift = "" if job.is_corrected(face_id) else "not "
        sidecar: dict[str, Any] = {
            "SamplingFrequency": rate,
            "StartTime": round(recording.start / rate, 6),
            "Columns": list(columns),
            "PhysioType": "generic",
            "Description": f"Estimates for {face}, resampled to a fixed rate: the frame nearest to each sample; "
            f"its neutral baseline is {shift}subtracted from the action units",
            **columns,
        }
        path = recording.path
        path.with_name(path.name.removesuffix(".tsv.gz") + ".json").write_text(json_text(sidecar), encoding="utf-8")


class _Recording:
    """The samples of one face, without a header line, as the specification wants; no file stays open."""

    def __init__(self, path: Path, start: int, width: int) -> None:
        self.path = path
        self.start = start  # its first sample
        self._next = start
        self._gap = "\t".join((_MISSING,) * width)
        self._lines: list[str] = []

    def add(self, sample: int, values: tuple[float | None, ...]) -> None:
        """Append a sample, after n/a for those in between."""
        while self._next < sample:
            self._append(self._gap)
        self._append("\t".join(_MISSING if value is None else format(value, ".6g") for value in values))

    def close(self) -> None:
        """Write what is in memory."""
        text = "".join(f"{line}\n" for line in self._lines).encode("ascii")
        with self.path.open("ab") as handle:
            handle.write(gzip.compress(text, mtime=0))  # parts of a gzip file may be appended
        self._lines.clear()

    def _append(self, line: str) -> None:
        self._lines.append(line)
        self._next += 1
        if len(self._lines) >= _LINES_IN_MEMORY:
            self.close()


def _samples(job: ExportJob, rate: float, report: Progress) -> Iterator[tuple[int, ExportFrame]]:
    """Samples with the frame nearest to each; none where the nearest frame is more than a step away."""
    sample, before = 0, None
    for frame in job.frames(report):
        if before is not None:
            middle_s = (before.time_s + frame.time_s) / 2
            while sample / rate < middle_s:
                if abs(sample / rate - before.time_s) <= 1.0 / rate:
                    yield sample, before
                sample += 1
        sample = max(sample, math.ceil((frame.time_s - 1.0 / rate) * rate - 1e-9))
        before = frame
    if before is not None:
        while sample / rate <= before.time_s + 0.5 / rate:
            yield sample, before
            sample += 1


def _rate(job: ExportJob) -> float:
    """Samples per second: frames per second of the session, since some presets analyse only every second frame."""
    steps = np.diff(job.session.times_s[:_STEPS])
    return round(1.0 / float(np.median(steps)), 4) if len(steps) else 1.0


_MEASURES: Final[dict[str, dict[str, str]]] = {
    "confidence": {"Description": "calibrated probability of the label shown, averaged over time"},
    "ood_score": {"Description": "0-1, larger = less like the training data"},
    "aleatoric": {"Description": "aleatoric uncertainty", "Units": "nat"},
    "epistemic": {"Description": "epistemic uncertainty", "Units": "nat"},
    "q_ood_score": {"Description": "ood_score of the averaged epistemic uncertainty"},
    "q_aleatoric": {"Description": "aleatoric uncertainty, averaged over time", "Units": "nat"},
    "q_epistemic": {"Description": "epistemic uncertainty, averaged over time", "Units": "nat"},
    "quality": {"Description": "image quality of the face, 0-1"},
    "yaw": {"Description": "head turned towards the right edge of the frame", "Units": "deg"},
    "pitch": {"Description": "head up", "Units": "deg"},
    "roll": {"Description": "head tilted clockwise", "Units": "deg"},
}
_EVENT_COLUMNS: Final[dict[str, Any]] = {
    "Description": "Episodes: consecutive frames in which a face keeps a value",
    "trial_type": {
        "Description": "what the event is about",
        "Levels": {
            "expression": "what a face looks like; value: label, or competing labels joined by |",
            "decision": "value: accept, ambiguous, reject (unlike the training data) or low_quality",
            "unit": "an action unit is present; value: its FACS code",
            "human": "label by a person",
            "excluded": "range that a person excluded",
            "marker": "moment that a person marked",
            "event": "stretch that a person marked with a code of their own; value: the code",
        },
    },
    "value": {"Description": "see trial_type"},
    "face_id": {"Description": "track number of the face, not an identity"},
    "mean": {"Description": "mean confidence of an expression, or mean occurrence of a unit, 0-1"},
    "person": {"Description": "name that a coder gave the face; faces of one name are one person"},
}
_README: Final = """# Facial expression, estimated by Mien

Events and, per face, values resampled to a fixed rate. The values show what a face looks like to a model trained on
labelled images. They do not show what a person feels, means or intends.

`n/a` means "not computed": no face, a face that could not be seen well, or one unlike the model's training data.
A face is a track in the video, not a person: somebody who leaves and returns gets a new number.
"""
