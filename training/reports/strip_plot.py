"""Drawing a strip chart (training/reports/strip_chart.py): time runs to the right, every word has room of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Plot
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Patch, Rectangle

from engine.facs import EXPRESSION_ADJECTIVES, EXPRESSIONS
from engine.types import Decision, Float64, Reason, Route
from training.reports.plots import BLUE, COLOURS, DARK, GREY, ORANGE, styled
from training.reports.strip_chart import Strip

#: More points than this are not told apart; long clips are drawn at every k-th frame.
_MOST_POINTS: Final = 1500
_PICTURES: Final = 9
#: Patterns of the areas, in the order of facs.EXPRESSIONS, for those who do not see the colours.
_HATCHES: Final = ("", "", "..", "////", "xxxx", "\\\\\\\\", "++++", "----")
_ROUTE_HATCHES: Final = {Route.ACCEPT: "", Route.AMBIGUOUS: "////", Route.REJECT: ".."}
_REJECTED: Final = {Reason.LOW_QUALITY: "can't see well", Reason.UNLIKE_TRAINING_DATA: "not assessed"}
_ADJECTIVES: Final = dict(zip(EXPRESSIONS, EXPRESSION_ADJECTIVES, strict=True))
_PLATE: Final = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 1.5}
#: Sizes in points that the words of a stretch try in turn.
_WORD_SIZES: Final = (9.0, 7.0)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time during which one decision is shown."""

    start_s: float
    end_s: float
    decision: Decision


def draw_strip(strip: Strip) -> Plot:
    """The chart: pictures of the face, shares, both uncertainties against their limits, and the route that is shown."""
    with styled():
        plot = Plot(figsize=(10, 6.6), layout="constrained")
        FigureCanvasAgg(plot)
        pictures, shares, aleatoric, epistemic, routes = plot.subplots(
            5, 1, sharex=True, height_ratios=(0.95, 2.6, 1.1, 1.1, 0.75)
        )
        pictures.set_xlim(float(strip.time_s[0]), _end_s(strip))
        _draw_pictures(pictures, strip)
        _draw_shares(shares, strip)
        _draw_uncertainty(aleatoric, strip, strip.aleatoric, strip.max_aleatoric, "aleatoric (nats)")
        _draw_uncertainty(epistemic, strip, strip.epistemic, strip.max_epistemic, "epistemic (nats)")
        _draw_routes(routes, strip)
        routes.set_xlabel("time (s)")
        _add_keys(shares, aleatoric, routes)
        others = f"; the face seen longest of {strip.faces}" if strip.faces > 1 else ""
        plot.suptitle(f"{strip.clip}: {strip.frames} frames{others}; model {strip.model}", fontsize=10)
        plot.draw_without_rendering()  # settles the layout, so that words can be measured
        plot.set_layout_engine("none")
        _name_areas(shares, strip)
        _name_stretches(routes, strip)
    return plot


def _end_s(strip: Strip) -> float:
    """End of the last frame, by the usual step."""
    step_s = float(np.median(np.diff(strip.time_s))) if len(strip.time_s) > 1 else 0.04
    return float(strip.time_s[-1]) + step_s


def _draw_pictures(axes: Axes, strip: Strip) -> None:
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    start_s, end_s = axes.get_xlim()
    half_s = (end_s - start_s) / _PICTURES / 2
    times = np.array([picture.time_s for picture in strip.pictures])
    for middle_s in np.linspace(start_s + half_s, end_s - half_s, _PICTURES):
        nearest = int(np.abs(times - middle_s).argmin())
        if abs(times[nearest] - middle_s) > half_s:
            continue  # the face was not in view
        crop = strip.pictures[nearest].crop
        image = OffsetImage(crop, zoom=56 / crop.shape[0], cmap="gray", norm=None)
        axes.add_artist(AnnotationBbox(image, (middle_s, 0.5), frameon=False, pad=0))


def _layers(strip: Strip) -> Float64:
    """Lower and upper bounds (C + 1, F) of the stacked averaged shares."""
    averaged = strip.averaged(strip.shares)
    return np.vstack([np.zeros(len(averaged)), np.cumsum(averaged, axis=1).T])


def _draw_shares(axes: Axes, strip: Strip) -> None:
    bounds, drawn = _layers(strip), _drawn(strip)
    for place, (colour, hatch) in enumerate(zip(COLOURS, _HATCHES, strict=True)):
        lower, upper = bounds[place][drawn], bounds[place + 1][drawn]
        axes.fill_between(
            strip.time_s[drawn], lower, upper, facecolor=colour, hatch=hatch, edgecolor=DARK, linewidth=0.3
        )
    axes.set(ylim=(0, 1), ylabel="share")


def _drawn(strip: Strip) -> slice:
    return slice(None, None, -(-len(strip.time_s) // _MOST_POINTS))


def _draw_uncertainty(axes: Axes, strip: Strip, values: Float64, limit: float, label: str) -> None:
    drawn = _drawn(strip)
    averaged = strip.averaged(values)
    axes.plot(strip.time_s[drawn], values[drawn], color=GREY, linewidth=0.7)
    axes.plot(strip.time_s[drawn], averaged[drawn], color=BLUE, linewidth=1.6)
    axes.axhline(limit, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.set(ylim=(0, 1.1 * max(float(values.max()), limit, 1e-6)), ylabel=label.replace(" (", "\n("))


def _stretches(strip: Strip) -> list[_Stretch]:
    ends = np.append(strip.time_s[1:], _end_s(strip))
    found = []
    rows = zip(strip.time_s, ends, strip.decisions, strict=True)
    for _, group in itertools.groupby(rows, key=lambda row: (row[2].reason, frozenset(row[2].labels))):
        members = list(group)
        found.append(_Stretch(float(members[0][0]), float(members[-1][1]), members[len(members) // 2][2]))
    return found


def _draw_routes(axes: Axes, strip: Strip) -> None:
    for part in _stretches(strip):
        route = part.decision.route
        colour = COLOURS[EXPRESSIONS.index(part.decision.labels[0])] if part.decision.labels else "#ffffff"
        axes.add_patch(
            Rectangle(
                (part.start_s, 0),
                part.end_s - part.start_s,
                1,
                facecolor=colour,
                hatch=_ROUTE_HATCHES[route],
                edgecolor=DARK,
                linewidth=0.5,
            )
        )
    axes.set(ylim=(0, 1), ylabel="shown")
    axes.set_yticks([])


def _add_keys(shares: Axes, uncertainty: Axes, routes: Axes) -> None:
    """Keys to the right of the panels."""
    areas = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=DARK, linewidth=0.3, label=name)
        for colour, hatch, name in zip(COLOURS, _HATCHES, EXPRESSIONS, strict=True)
    ]
    _add_key(shares, areas[::-1])
    for line, name in zip(uncertainty.get_lines(), ("each frame", "average that decides", "limit"), strict=True):
        line.set_label(name)
    _add_key(uncertainty, uncertainty.get_lines())
    kinds = zip(_ROUTE_HATCHES.values(), ("one label", "competing labels", "not assessed"), strict=True)
    _add_key(routes, [Patch(facecolor="#ffffff", hatch=hatch, edgecolor=DARK, label=name) for hatch, name in kinds])


def _add_key(axes: Axes, handles: Sequence[Artist]) -> None:
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _name_areas(axes: Axes, strip: Strip) -> None:
    """The name of each expression where its area is thickest over the length of the word; none where it has no room."""
    bounds = _layers(strip)
    for place, name in enumerate(EXPRESSIONS):
        width_s, height = _size(axes, name)
        start, end = strip.time_s[0] + width_s / 2, _end_s(strip) - width_s / 2
        best_s, best_low, best_room = 0.0, 0.0, 0.0
        for middle_s in np.linspace(start, end, 120) if end > start else ():
            inside = np.abs(strip.time_s - middle_s) <= width_s / 2
            if not inside.any():
                continue
            low, room = float(bounds[place][inside].max()), 0.0
            room = float(bounds[place + 1][inside].min()) - low
            if room > best_room:
                best_s, best_low, best_room = float(middle_s), low, room
        if best_room > 1.2 * height:
            axes.text(best_s, best_low + best_room / 2, name, ha="center", va="center", color=DARK, bbox=_PLATE)


def _name_stretches(axes: Axes, strip: Strip) -> None:
    """What is shown, in the largest form that has room."""
    for part in _stretches(strip):
        words = _words(part.decision)
        broken = words.replace(" or ", "\nor ").replace("can't see ", "can't see\n").replace("not ", "not\n")
        for text, size in itertools.product((words, broken), _WORD_SIZES):
            width_s, height = _size(axes, text, size)
            if width_s < part.end_s - part.start_s and height < 1:
                middle_s = (part.start_s + part.end_s) / 2
                axes.text(middle_s, 0.5, text, size=size, ha="center", va="center", color=DARK, bbox=_PLATE)
                break


def _words(decision: Decision) -> str:
    if decision.route is Route.REJECT:
        return _REJECTED[decision.reason]
    names = [_ADJECTIVES[label] for label in decision.labels]
    return " or ".join(names)


def _size(axes: Axes, words: str, size: float = _WORD_SIZES[0]) -> tuple[float, float]:
    """Width in seconds and height in units of the axes that the words take with their plate."""
    text = axes.text(0, 0, words, size=size, bbox=_PLATE)
    box = text.get_window_extent()
    text.remove()
    pad = 2.0  # pixels on each side: the plate, and air
    corners = axes.transData.inverted().transform([(0, 0), (box.width + 2 * pad, box.height + 2 * pad)])
    return float(corners[1, 0] - corners[0, 0]), float(corners[1, 1] - corners[0, 1])
