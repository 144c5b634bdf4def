"""Layout of the time series, without Qt: which plots there are, their lines, scales and places."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.review.face_series import FaceSeries, SeriesGroup
from app.review.timeline_layout import unit_order
from app.session.rows import SessionHeader
from engine.facs import HIGHEST_INTENSITY

#: Height per line of a plot with several lines, of a plot of one line, and the gap between two, in em.
_LINE_EM: Final = 1.05
_LANE_EM: Final = 1.6
_GAP_EM: Final = 0.35
#: Smallest height of a plot with several lines in em.
_PLOT_EM: Final = 3.4
#: Angles are drawn from minus to plus a multiple of this.
_ANGLE_STEP_DEG: Final = 15.0
#: Lines of `SeriesGroup.UNCERTAINTIES`.
ALEATORIC, EPISTEMIC, OOD_SCORE = range(3)


@dataclass(frozen=True, slots=True, order=True)
class SeriesLine:
    """One value over time."""

    group: SeriesGroup
    place: int  # in the group


@dataclass(frozen=True, slots=True)
class SeriesPlot:
    """Lines with a common scale; pixels from the top of the first plot."""

    group: SeriesGroup
    lines: tuple[SeriesLine, ...]  # all that can be shown here, also those that are hidden
    low: float  # at the bottom
    high: float  # at the top
    limit: float | None = None  # on the same scale
    top_px: int = 0
    height_px: int = 0

    @property
    def bottom_px(self) -> int:
        """Bottom edge, exclusive."""
        return self.top_px + self.height_px


def series_lines(header: SessionHeader, all_units: bool) -> tuple[SeriesLine, ...]:
    """The lines of a session, from the top; units that are not trusted only with ``all_units``."""
    units = [place for place in unit_order(header) if all_units or header.au_codes[place] in header.au_trusted]
    places = (
        (SeriesGroup.EXPRESSIONS, range(len(header.expressions))),
        (SeriesGroup.UNCERTAINTIES, (ALEATORIC, EPISTEMIC, OOD_SCORE)),
        (SeriesGroup.UNITS, units),
        (SeriesGroup.INTENSITIES, units if header.au_intensity else []),
        (SeriesGroup.POSE, range(3)),
    )
    return tuple(SeriesLine(group, place) for group, chosen in places for place in chosen)


def layout_plots(
    header: SessionHeader,
    lines: Sequence[SeriesLine],
    hidden: Collection[SeriesLine],
    angle_deg: float,
    em_px: float,
    room_px: int = 0,
) -> tuple[SeriesPlot, ...]:
    """Place the plots below each other; one without a visible line is left out.

    Args:
        header: of the session.
        lines: as from `series_lines`.
        hidden: lines that are not drawn.
        angle_deg: largest angle of the plot of the pose.
        em_px: height of a line of text.
        room_px: if the plots need less height, those with several lines share the rest.
    """
    plots, top = [], 0
    gap = max(round(_GAP_EM * em_px), 2)
    chosen = [plot for plot in _plots(header, lines, angle_deg) if any(line not in hidden for line in plot.lines)]
    heights = [_height_em(plot) * em_px for plot in chosen]
    growing = [len(plot.lines) > 1 for plot in chosen]
    spare = max(room_px - sum(heights) - gap * max(len(chosen) - 1, 0), 0.0) / max(sum(growing), 1)
    for plot, height, grows in zip(chosen, heights, growing, strict=True):
        height_px = max(math.floor(height + (spare if grows else 0.0)), 4)
        plots.append(SeriesPlot(plot.group, plot.lines, plot.low, plot.high, plot.limit, top, height_px))
        top += height_px + gap
    return tuple(plots)


def largest_angle_deg(series: FaceSeries) -> float:
    """Scale of the pose: the largest angle of the face, to the next multiple of 15 degrees, 30 to 90."""
    angles = series.values(SeriesGroup.POSE)
    largest = float(np.nanmax(np.abs(angles))) if np.isfinite(angles).any() else 0.0
    return min(max(math.ceil(largest / _ANGLE_STEP_DEG) * _ANGLE_STEP_DEG, 2 * _ANGLE_STEP_DEG), 90.0)


def _plots(header: SessionHeader, lines: Sequence[SeriesLine], angle_deg: float) -> list[SeriesPlot]:
    """The plots in order, without places: one per group, but one per unit and one for the OOD score.

    The intensity of a unit is below its occurrence.
    """
    of_group = {group: tuple(line for line in lines if line.group is group) for group in SeriesGroup}
    expressions, uncertainties = of_group[SeriesGroup.EXPRESSIONS], of_group[SeriesGroup.UNCERTAINTIES]
    nats = tuple(line for line in uncertainties if line.place != OOD_SCORE)
    scores = tuple(line for line in uncertainties if line.place == OOD_SCORE)
    graded = {line.place: line for line in of_group[SeriesGroup.INTENSITIES]}
    units = []
    for line in of_group[SeriesGroup.UNITS]:
        units.append(SeriesPlot(SeriesGroup.UNITS, (line,), 0.0, 1.0, header.au_thresholds[line.place]))
        if line.place in graded:
            units.append(SeriesPlot(SeriesGroup.INTENSITIES, (graded[line.place],), 0.0, HIGHEST_INTENSITY))
    return [
        SeriesPlot(SeriesGroup.EXPRESSIONS, expressions, 0.0, 1.0),
        SeriesPlot(SeriesGroup.UNCERTAINTIES, nats, 0.0, math.log(len(header.expressions)), header.aleatoric_limit),
        SeriesPlot(SeriesGroup.UNCERTAINTIES, scores, 0.0, 1.0, header.ood_limit),
        *units,
        SeriesPlot(SeriesGroup.POSE, of_group[SeriesGroup.POSE], -angle_deg, angle_deg),
    ]


def _height_em(plot: SeriesPlot) -> float:
    return _LANE_EM if len(plot.lines) == 1 else max(_LINE_EM * len(plot.lines) + 0.3, _PLOT_EM)
