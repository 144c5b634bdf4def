"""``mien-train evaluate switches``: how often the label changes in a clip, before and after smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.capture.opening import open_source
from engine.config import EngineConfig
from engine.engine import Engine
from engine.types import Route

#: Label of a frame whose face is not assessed.
_NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, slots=True)
class ClipSwitches:
    """One clip; a minute is a minute of a face's time in view."""

    clip: str
    minutes: float
    tracks: int
    raw_per_minute: float  # changes of the top label of single frames
    shown_per_minute: float  # changes of the first label that is shown, "not assessed" included


@dataclass(frozen=True, slots=True)
class SwitchReport:
    """All clips, and both figures over all of them."""

    sha256: str
    clips: tuple[ClipSwitches, ...]
    raw_per_minute: float
    shown_per_minute: float


def evaluate_switches(clips: Sequence[Path], config: EngineConfig | None = None) -> SwitchReport:
    """Run the engine over each clip, every frame, as a video is annotated.

    Raises:
        SourceError: a clip cannot be read.
        ValueError: no clip has a face.
    """
    found, sha256 = [], ""
    for clip in clips:
        with Engine.open(config or EngineConfig()) as engine:
            sha256 = engine.expression.sha256
            found.append(_clip(clip, engine))
    minutes = sum(item.minutes for item in found)
    if minutes == 0:
        raise ValueError(f"none of {len(clips)} clips has a face in two frames: give clips with faces")
    return SwitchReport(
        sha256,
        tuple(found),
        sum(item.raw_per_minute * item.minutes for item in found) / minutes,
        sum(item.shown_per_minute * item.minutes for item in found) / minutes,
    )


def _clip(path: Path, engine: Engine) -> ClipSwitches:
    tracks: dict[int, list[tuple[float, str, str]]] = {}
    with open_source(str(path)) as source:
        while (frame := source.read()) is not None:
            for face in engine.process(frame).faces:
                top = int(np.argmax(face.expression.probabilities))
                shown = _NOT_ASSESSED if face.decision.route is Route.REJECT else face.decision.labels[0]
                tracks.setdefault(face.track.track_id, []).append((frame.timestamp_s, str(top), shown))
    return clip_switches(path.name, list(tracks.values()))


def clip_switches(name: str, tracks: Sequence[Sequence[tuple[float, str, str]]]) -> ClipSwitches:
    """Switches in tracks of (time in seconds, label of the frame, label shown)."""
    minutes = sum(track[-1][0] - track[0][0] for track in tracks) / 60
    steps = [step for track in tracks for step in zip(track, track[1:], strict=False)]
    raw, shown = (sum(before[column] != after[column] for before, after in steps) for column in (1, 2))
    per_minute = (raw / minutes, shown / minutes) if minutes > 0 else (0.0, 0.0)
    return ClipSwitches(name, minutes, len(tracks), *per_minute)
