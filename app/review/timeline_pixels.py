"""The lanes of the timeline as pixels: what the model said of one face over time, with numpy, without Qt.

A pixel is a number 0xffRRGGBB. Every state differs by its pattern too (PRODUCT 7.2): solid for one label, a diagonal
hatch of both colours where two compete, slashes on grey for "not assessed", dots on grey for "seen badly".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.review.face_timeline import LaneState, LaneView
from engine.types import Float32

Pixels = npt.NDArray[np.uint32]

#: Levels of an occurrence in the heat lanes.
_LEVELS = 256


@dataclass(frozen=True, slots=True, eq=False)
class LaneColours:
    """What the lanes are painted with."""

    ground: int  # where there is no face
    grey: int  # ground of faces that are not assessed
    ink: int  # slashes and dots on it
    labels: Pixels  # (C,) of each expression, order of SessionHeader.expressions
    present: Pixels  # (256,) of a trusted unit above its threshold, by occurrence
    below: Pixels  # (256,) of a trusted unit below it
    untrusted: Pixels  # (256,) of a unit that is not to be built on


@dataclass(frozen=True, slots=True)
class Run:
    """Pixels side by side that say the same."""

    left: int
    right: int  # behind the last
    state: LaneState
    label: int  # place in SessionHeader.expressions, -1 = none
    second: int


def packed(red: int, green: int, blue: int) -> int:
    """A colour as a pixel."""
    return 0xFF000000 | red << 16 | green << 8 | blue


def ramp(start: int, end: int, share: float) -> Pixels:
    """(256,) from one colour towards another: at the first level ``share`` of the way, at the last all of it."""
    ways = np.linspace(share, 1.0, _LEVELS)[:, np.newaxis]
    both = np.array([[colour >> shift & 0xFF for shift in (16, 8, 0)] for colour in (start, end)], np.float64)
    mixed = np.round(both[0] * (1 - ways) + both[1] * ways).astype(np.uint32)  # (256, 3)
    return np.asarray(0xFF000000 | mixed[:, 0] << 16 | mixed[:, 1] << 8 | mixed[:, 2], np.uint32)


def lane_pixels(view: LaneView, colours: LaneColours, height: int, phase: int, pitch: int) -> Pixels:
    """One face's lane, (height, W).

    Args:
        view: W columns.
        colours: of the theme.
        height: pixels.
        phase: column of the whole session that the first one is, so that patterns move with what they stand for.
        pitch: pixels from one stripe to the next, 4 or more.
    """
    fill, ink = _paints(view, colours)
    columns = np.arange(view.state.shape[0])[np.newaxis, :] + phase  # (1, W)
    lines = np.arange(height)[:, np.newaxis]  # (height, 1)
    diagonal = (columns + lines) % pitch
    dot = max(pitch // 4, 1)
    dots = (columns % pitch < dot) & ((lines + pitch // 2) % pitch < dot)
    state = view.state
    inked = (
        (state == LaneState.AMBIGUOUS) & (diagonal < pitch // 2)
        | (state == LaneState.REJECT) & (diagonal < max(pitch // 5, 1))
        | (state == LaneState.LOW_QUALITY) & dots
    )
    return np.asarray(np.where(inked, ink, fill), np.uint32)


def _paints(view: LaneView, colours: LaneColours) -> tuple[Pixels, Pixels]:
    """Ground and pattern of every column."""
    shown = np.append(colours.labels, np.uint32(colours.ground))  # place -1 = the ground
    state = view.state
    fill = np.full(state.shape, colours.ground, np.uint32)
    assessed = (state == LaneState.ACCEPT) | (state == LaneState.AMBIGUOUS)
    fill[assessed] = shown[view.label[assessed]]
    fill[(state == LaneState.REJECT) | (state == LaneState.LOW_QUALITY)] = colours.grey
    ink = np.full(state.shape, colours.ink, np.uint32)
    ambiguous = state == LaneState.AMBIGUOUS
    ink[ambiguous] = shown[view.second[ambiguous]]
    return fill, ink


def unit_pixels(
    occurrence: Float32,
    thresholds: tuple[float, ...],
    trusted: tuple[bool, ...],
    colours: LaneColours,
) -> Pixels:
    """Heat of every unit, (K, W): the stronger, the likelier; a colour of its own where a unit counts as present.

    Args:
        occurrence: (W, K), NaN = not computed.
        thresholds: (K,) above which a unit is present.
        trusted: (K,) whether a unit may be built on; others never look present.
        colours: of the theme.
    """
    missing = np.isnan(occurrence)
    levels = np.round(np.where(missing, 0.0, occurrence).clip(0.0, 1.0) * (_LEVELS - 1)).astype(np.int64)
    heat = np.where(occurrence > np.asarray(thresholds), colours.present[levels], colours.below[levels])
    heat = np.where(np.asarray(trusted), heat, colours.untrusted[levels])
    return np.ascontiguousarray(np.where(missing, np.uint32(colours.ground), heat).T, np.uint32)


def runs(view: LaneView, least_px: int) -> list[Run]:
    """What stands in the lane from left to right, without the empty parts and those narrower than ``least_px``."""
    code = (view.state.astype(np.int64) * 64 + view.label + 1) * 64 + view.second + 1
    cuts = np.flatnonzero(np.diff(code)) + 1
    lefts, rights = np.append(0, cuts), np.append(cuts, code.shape[0])
    wide = (rights - lefts >= least_px) & (view.state[lefts] != LaneState.ABSENT)
    return [
        Run(int(left), int(right), LaneState(int(view.state[left])), int(view.label[left]), int(view.second[left]))
        for left, right in zip(lefts[wide], rights[wide], strict=True)
    ]
