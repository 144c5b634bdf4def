"""The rows of the timeline as pixels, with numpy and without Qt.

A pixel is a number 0xffRRGGBB. States differ by pattern as well as colour: the pattern of one label, a diagonal hatch
of both colours for two competing labels, slashes on grey for "not assessed", dots on grey for "can't see well".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.overlay.patterns import MIN_PITCH, Marks, Places, expression_marks
from app.review.face_timeline import FaceBuckets, FaceState
from engine.types import Float32

Pixels = npt.NDArray[np.uint32]

#: Colour levels of an occurrence.
_LEVELS = 256


@dataclass(frozen=True, slots=True, eq=False)
class TimelineColours:
    """The colours of the timeline."""

    background: int  # where there is no face
    grey: int  # background of faces that are not assessed
    ink: int  # slashes and dots on grey
    expressions: tuple[str, ...]  # as SessionHeader.expressions
    labels: Pixels  # (C,) per expression
    marks: Pixels  # (C,) of the pattern on it
    present: Pixels  # (256,) trusted unit above its threshold, by occurrence
    below: Pixels  # (256,) trusted unit below its threshold
    untrusted: Pixels  # (256,) unit that is not trusted


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent columns with the same state and labels."""

    left: int
    right: int  # exclusive
    state: FaceState
    label: int  # index into SessionHeader.expressions, -1 = none
    second: int


def packed(red: int, green: int, blue: int) -> int:
    """A colour (0-255 each) as a pixel."""
    return 0xFF000000 | red << 16 | green << 8 | blue


def ramp(start: int, end: int, share: float) -> Pixels:
    """Colour ramp (256,) that starts at fraction ``share`` of the way from ``start`` and ends in ``end``."""
    weights = np.linspace(share, 1.0, _LEVELS)[:, np.newaxis]
    ends = np.array([[colour >> shift & 0xFF for shift in (16, 8, 0)] for colour in (start, end)], np.float64)
    mixed = np.round(ends[0] * (1 - weights) + ends[1] * weights).astype(np.uint32)  # (256, 3)
    return np.asarray(0xFF000000 | mixed[:, 0] << 16 | mixed[:, 1] << 8 | mixed[:, 2], np.uint32)


def state_pixels(buckets: FaceBuckets, colours: TimelineColours, height: int, phase: int, pitch: int) -> Pixels:
    """The states of one face, (height, W).

    Args:
        buckets: W columns.
        colours: of the theme.
        height: pixels.
        phase: column of the whole session at which the first bucket lies, so that patterns scroll with the content.
        pitch: pixels from one stripe to the next, 4 or more.
    """
    fill, ink = _fill_and_ink(buckets, colours)
    columns = np.arange(buckets.state.shape[0])[np.newaxis, :] + phase  # (1, W)
    lines = np.arange(height)[:, np.newaxis]  # (height, 1)
    diagonal = (columns + lines) % pitch
    dot = max(pitch // 4, 1)
    dots = (columns % pitch < dot) & ((lines + pitch // 2) % pitch < dot)
    state = buckets.state
    inked = (
        _marks(buckets, colours, columns, lines, max(pitch // 2, MIN_PITCH))
        | (state == FaceState.AMBIGUOUS) & (diagonal < pitch // 2)
        | (state == FaceState.REJECT) & (diagonal < max(pitch // 5, 1))
        | (state == FaceState.LOW_QUALITY) & dots
    )
    return np.asarray(np.where(inked, ink, fill), np.uint32)


def _fill_and_ink(buckets: FaceBuckets, colours: TimelineColours) -> tuple[Pixels, Pixels]:
    """Background and pattern colour (W,) of every column."""
    label_colours = np.append(colours.labels, np.uint32(colours.background))  # index -1 = background
    state = buckets.state
    fill = np.full(state.shape, colours.background, np.uint32)
    assessed = (state == FaceState.ACCEPT) | (state == FaceState.AMBIGUOUS)
    fill[assessed] = label_colours[buckets.label[assessed]]
    fill[(state == FaceState.REJECT) | (state == FaceState.LOW_QUALITY)] = colours.grey
    ink = np.full(state.shape, colours.ink, np.uint32)
    ambiguous, accepted = state == FaceState.AMBIGUOUS, state == FaceState.ACCEPT
    ink[ambiguous] = label_colours[buckets.second[ambiguous]]
    ink[accepted] = np.append(colours.marks, np.uint32(colours.background))[buckets.label[accepted]]
    return fill, ink


def _marks(buckets: FaceBuckets, colours: TimelineColours, columns: Places, lines: Places, pitch: int) -> Marks:
    """Which pixels (height, W) belong to the pattern of a single label."""
    marks = np.zeros((lines.shape[0], columns.shape[1]), np.bool_)
    accepted = buckets.state == FaceState.ACCEPT
    for number in np.unique(buckets.label[accepted]):
        if number >= 0:
            here = accepted & (buckets.label == number)
            marks[:, here] = expression_marks(colours.expressions[number], columns[:, here], lines, pitch)
    return marks


def unit_pixels(
    occurrence: Float32,
    thresholds: tuple[float, ...],
    trusted: tuple[bool, ...],
    colours: TimelineColours,
) -> Pixels:
    """Heat map of every unit, (K, W), with a colour of its own for units above their threshold.

    Args:
        occurrence: (W, K), NaN = not computed.
        thresholds: (K,) occurrence above which a unit is present.
        trusted: (K,) whether a unit is trusted; the others never look present.
        colours: of the theme.
    """
    missing = np.isnan(occurrence)
    levels = np.round(np.where(missing, 0.0, occurrence).clip(0.0, 1.0) * (_LEVELS - 1)).astype(np.int64)
    heat = np.where(occurrence > np.asarray(thresholds), colours.present[levels], colours.below[levels])
    heat = np.where(np.asarray(trusted), heat, colours.untrusted[levels])
    return np.ascontiguousarray(np.where(missing, np.uint32(colours.background), heat).T, np.uint32)


def runs(buckets: FaceBuckets, min_width_px: int) -> list[Run]:
    """Runs from left to right, without absent faces and without runs narrower than ``min_width_px``."""
    code = (buckets.state.astype(np.int64) * 64 + buckets.label + 1) * 64 + buckets.second + 1
    cuts = np.flatnonzero(np.diff(code)) + 1
    lefts, rights = np.append(0, cuts), np.append(cuts, code.shape[0])
    shown = (rights - lefts >= min_width_px) & (buckets.state[lefts] != FaceState.ABSENT)
    return [
        Run(
            int(left),
            int(right),
            FaceState(int(buckets.state[left])),
            int(buckets.label[left]),
            int(buckets.second[left]),
        )
        for left, right in zip(lefts[shown], rights[shown], strict=True)
    ]
