"""ELAN annotation file (.eaf, EAF 2.8 as pympi-ling writes it; valid against the schema of EAF 3.0)."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any, Final

from app.export.episodes import Episode, Kind, episodes_of
from app.export.job import ExportJob, Progress
from app.printable import plain

#: Types of tiers: those with a list of values let ELAN offer them for corrections.
_EXPRESSION_TYPE: Final = "expression"
_DECISION_TYPE: Final = "decision"
_UNIT_TYPE: Final = "occurrence"
_EVENT_TYPE: Final = "event"
_HUMAN_TYPE: Final = "human"
_DECISIONS: Final = {
    "accept": "one label",
    "ambiguous": "competing labels",
    "reject": "not assessed: unlike the training data",
    "low_quality": "not assessed: cannot be seen well",
}


def write_elan(job: ExportJob, path: Path, report: Progress) -> None:
    """Write tiers per face: expression, decision, one per action unit that occurs, human labels; and one of events.

    Where the coder gave a face a name, it is the participant of its tiers, and begins their names.
    """
    from pympi import Eaf
    from pympi.Elan import to_string

    episodes = episodes_of(job, report)
    eaf = Eaf(author=f"Mien {job.header.app_version}")
    eaf.remove_tier("default")
    _add_types(eaf, job, episodes)
    _add_media(eaf, job)
    for episode in episodes:
        kind, end, value = _place_of(episode)
        person = job.notes.name_of(episode.face_id)
        _annotate(eaf, _tier(episode.face_id, person, end), kind, (episode.start_s, episode.end_s), value, person)
    for label in job.notes.labels:
        person = job.notes.name_of(label.face_id)
        tier = _tier(label.face_id, person, "human")
        _annotate(eaf, tier, _HUMAN_TYPE, (label.start_s, label.end_s), label.label, person)
    for start_s, end_s, text in _events(job):
        _annotate(eaf, "events", _EVENT_TYPE, (start_s, end_s), text)
    for event in job.notes.events:  # a tier per code, since events of different codes may overlap
        _annotate(eaf, f"event_{event.code}", _EVENT_TYPE, (event.start_s, event.end_s), event.code)
    if "default-lt" in eaf.get_linguistic_type_names():
        eaf.remove_linguistic_type("default-lt")
    # pympi's to_file renames an existing file, here our temporary one, to .bak
    text = to_string(eaf, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', encoding="utf-8", errors="replace")


def _add_types(eaf: Any, job: ExportJob, episodes: list[Episode]) -> None:
    """Add the types of tiers with their vocabularies."""
    used = {episode.value for episode in episodes if episode.kind is Kind.EXPRESSION}
    compound = sorted(used - set(job.header.expressions))
    human = sorted({label.label for label in job.notes.labels} | set(job.header.expressions))
    vocabularies = {
        _EXPRESSION_TYPE: {value: "" for value in (*job.header.expressions, *compound)},
        _DECISION_TYPE: _DECISIONS,
        _HUMAN_TYPE: {value: "" for value in human},
    }
    eaf.add_language("und", "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")
    for name, values in vocabularies.items():
        eaf.add_controlled_vocabulary(name)
        eaf.add_cv_description(name, "und", name)
        for place, (value, description) in enumerate(values.items()):
            eaf.add_cv_entry(name, f"{name}_{place}", [(value, "und", description or None)])
        eaf.add_linguistic_type(name, param_dict=None)
        eaf.linguistic_types[name]["CONTROLLED_VOCABULARY_REF"] = name
    eaf.add_linguistic_type(_UNIT_TYPE)
    eaf.add_linguistic_type(_EVENT_TYPE)


def _add_media(eaf: Any, job: ExportJob) -> None:
    video = job.session.video
    if video is None:
        return
    kind = mimetypes.guess_type(video.path.name)[0] or "video/mp4"
    eaf.add_linked_file(video.path.resolve().as_uri(), relpath=f"./{video.path.name}", mimetype=kind)


def _place_of(episode: Episode) -> tuple[str, str, str]:
    """Type and end of the name of its tier, and value of an episode."""
    if episode.kind is Kind.UNIT:
        return _UNIT_TYPE, episode.value, "" if episode.mean is None else f"{episode.mean:.2f}"
    kind = _EXPRESSION_TYPE if episode.kind is Kind.EXPRESSION else _DECISION_TYPE
    return kind, episode.kind.value, episode.value


def _tier(face_id: int, person: str, end: str) -> str:
    """Name of a tier: several faces may belong to one person, so it always has the number.

    >>> _tier(3, "", "AU12"), _tier(3, "Ada", "human")
    ('face3_AU12', 'Ada_face3_human')
    """
    return "_".join(filter(None, (person, f"face{face_id}", end)))


def _events(job: ExportJob) -> list[tuple[float, float, str]]:
    """Markers, one frame long, and excluded ranges."""
    session = job.session
    events = [
        (marker.time_s, session.end_of(session.position_at(marker.time_s)), marker.text or "marker")
        for marker in job.notes.markers
    ]
    events += [(exclusion.start_s, exclusion.end_s, "excluded") for exclusion in job.notes.exclusions]
    return sorted(events)


def _annotate(eaf: Any, tier: str, kind: str, span_s: tuple[float, float], value: str, person: str = "") -> None:
    """Add an annotation in whole milliseconds, at least one long, and its tier if it is the first."""
    tier = plain(tier)
    if tier not in eaf.tiers:
        eaf.add_tier(tier, kind, part=plain(person) or None)
    start, end = (round(1000 * seconds) for seconds in span_s)
    eaf.add_annotation(tier, start, max(end, start + 1), plain(value))
