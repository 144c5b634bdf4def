"""The panel of action units, checked in the pixels: trusted ones first, the others marked and never present."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from app.overlay.overlay import Overlay
from app.overlay.palette import BAR_BELOW, BAR_PRESENT, TRACK
from app.overlay.unit_panel import PanelLayout, draw_panel, layouts
from app.session.rows import FaceRow, SessionHeader, rows_of
from engine.facs import OPEN_UNITS
from engine.types import UInt8
from tests.fakes.faces import fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header

TRUSTED = (1, 2, 4, 6, 9, 12, 25, 26, 43)
OTHERS = tuple(unit for unit in OPEN_UNITS if unit not in TRUSTED)
THRESHOLD = 0.5
GROUND = 90  # grey level of the image


def header(trusted: tuple[int, ...] = TRUSTED) -> SessionHeader:
    return fake_header(au_codes=OPEN_UNITS, au_thresholds=(THRESHOLD,) * 18, au_trusted=trusted)


def row(*occurrence: float, box: tuple[float, float, float, float] = (200.0, 90.0, 320.0, 260.0)) -> FaceRow:
    """One face; the last occurrence holds for all units that follow."""
    means = (*occurrence, *(occurrence[-1],) * (18 - len(occurrence)))
    return rows_of(fake_result(fake_frame(), fake_face(units=OPEN_UNITS, occurrence=means, box=box)))[0]


def drawn(layout: PanelLayout, what: FaceRow, trusted: tuple[int, ...] = TRUSTED) -> UInt8:
    canvas = np.full((layout.height, layout.width, 3), GROUND, np.uint8)
    draw_panel(canvas, what, header(trusted), layout, 0, 0)
    return canvas


def bars(picture: UInt8, layout: PanelLayout) -> dict[int, UInt8]:
    """The bar of each unit (h, w, 3)."""
    down = (layout.pitch - layout.bar_height) // 2
    places = {code: (y + down, x + layout.bar_x) for code, x, y in layout.lines()}
    return {code: picture[y : y + layout.bar_height, x : x + layout.bar_width] for code, (y, x) in places.items()}


def share_of(bar: UInt8, colour: tuple[int, int, int]) -> float:
    return float((bar == np.array(colour, np.uint8)).all(-1).mean())


def test_trusted_units_come_first_and_the_others_below() -> None:
    (one, two) = layouts(header(), 1.0)
    for layout in (one, two):
        assert [code for code, _, _ in layout.lines()] == [*TRUSTED, *OTHERS]
    places = {code: (x, y) for code, x, y in one.lines()}
    assert max(places[code][1] for code in TRUSTED) < one.caption_place[1] < min(places[code][1] for code in OTHERS)
    beside = {code: (x, y) for code, x, y in two.lines()}
    assert {beside[code][0] for code in TRUSTED} == {two.margin}
    assert min(beside[code][0] for code in OTHERS) > two.width // 2
    assert two.height < one.height


def test_a_trusted_unit_is_bright_when_it_is_present_and_dull_below_its_threshold() -> None:
    layout = layouts(header(), 2.0)[0]
    found = bars(drawn(layout, row(0.9, 0.4)), layout)
    assert share_of(found[1], BAR_PRESENT) > 0.5
    assert share_of(found[1], BAR_BELOW) == 0
    assert share_of(found[2], BAR_PRESENT) == 0
    assert share_of(found[2], BAR_BELOW) > 0.2


def test_a_unit_that_is_not_trusted_never_looks_present() -> None:
    layout = layouts(header(), 2.0)[0]
    found = bars(drawn(layout, row(0.9)), layout)
    for code in OTHERS:
        assert share_of(found[code], BAR_PRESENT) == share_of(found[code], BAR_BELOW) == 0
    assert all(share_of(found[code], BAR_PRESENT) > 0.5 for code in TRUSTED)


def test_untrusted_bars_are_recognised_without_colour() -> None:
    """Stripes: along a line of its bar the level changes many times, that of a trusted bar only at the whisker."""
    layout = layouts(header(), 2.0)[0]
    found = bars(drawn(layout, row(0.9)), layout)
    changes = {code: int((np.diff(bar[0].mean(-1)) != 0).sum()) for code, bar in found.items()}
    assert min(changes[code] for code in OTHERS) >= 10 > max(changes[code] for code in TRUSTED)


def test_codes_that_are_not_trusted_are_greyed() -> None:
    layout = layouts(header(), 2.0)[0]
    picture = drawn(layout, row(0.1))
    letters = {code: picture[y : y + layout.pitch, x : x + layout.bar_x - 2].max() for code, x, y in layout.lines()}
    assert min(letters[code] for code in TRUSTED) > 240
    assert 150 < max(letters[code] for code in OTHERS) < 200


def test_the_caption_is_shown_only_if_a_unit_is_not_trusted() -> None:
    everything, nothing = layouts(header(OPEN_UNITS), 1.0), layouts(header(()), 1.0)
    assert [len(found) for found in (everything, nothing)] == [1, 1]
    (all_trusted,), (none_trusted,) = everything, nothing
    assert all_trusted.height == 18 * all_trusted.pitch + 2 * all_trusted.margin
    assert none_trusted.height == (18 + 1) * none_trusted.pitch + 2 * none_trusted.margin
    picture = drawn(none_trusted, row(0.0), ())
    x, y = none_trusted.caption_place
    assert (picture[y : y + none_trusted.pitch, x:-x] > 140).any()


def test_the_whisker_is_one_standard_deviation_to_each_side() -> None:
    layout = layouts(header(), 4.0)[0]
    picture = drawn(layout, row(0.6))  # fake faces have a deviation of a tenth of the mean
    white = (bars(picture, layout)[1] == 255).all(-1)
    columns = np.flatnonzero(white.any(0))
    full, thick = layout.bar_width, 4
    assert columns.min() == round(full * (0.6 - 0.06))
    assert columns.max() == round(full * (0.6 + 0.06)) + thick - 1


@pytest.mark.parametrize("unit", [0.5, 1.0, 1.8, 3.7])
@pytest.mark.parametrize("trusted", [TRUSTED, OPEN_UNITS, ()])
@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_nothing_is_drawn_outside_the_panel(unit: float, trusted: tuple[int, ...], mean: float) -> None:
    for layout in layouts(header(trusted), unit):
        canvas = np.full((layout.height + 40, layout.width + 40, 3), GROUND, np.uint8)
        draw_panel(canvas, row(mean), header(trusted), layout, 20, 20)
        canvas[20:-20, 20:-20] = GROUND
        assert (canvas == GROUND).all()


@pytest.mark.parametrize("unit", [0.5, 1.0, 1.8, 3.7])
def test_no_line_touches_another(unit: float) -> None:
    for layout in layouts(header(), unit):
        spots = [layout.caption_place, *((x, y) for _, x, y in layout.lines())]
        assert max(y for _, y in spots) + layout.pitch <= layout.height
        for (x, y), (other_x, other_y) in itertools.combinations(spots, 2):
            assert abs(y - other_y) >= layout.pitch or abs(x - other_x) >= layout.column_width


@pytest.mark.parametrize(
    ("size", "box", "columns"),
    [
        ((640, 360), (220.0, 90.0, 380.0, 290.0), 1),
        ((1280, 720), (440.0, 180.0, 760.0, 580.0), 1),
        ((320, 180), (110.0, 50.0, 190.0, 145.0), 2),  # one column is too high there
    ],
)
def test_eighteen_units_fit_beside_a_face(
    size: tuple[int, int], box: tuple[float, float, float, float], columns: int
) -> None:
    width, height = size
    with_units, without = (np.full((height, width, 3), GROUND, np.uint8) for _ in range(2))
    face = row(0.7, box=box)
    Overlay(header()).draw(with_units, (face,))
    bare = dataclasses.replace(face, occurrence=(), occurrence_std=())
    Overlay(header()).draw(without, (bare,))
    changed = (with_units != without).any(-1)
    down, across = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    unit = (min(size) / 360) ** 0.85
    layout = layouts(header(), max(unit, 0.5**0.85))[columns - 1]
    assert (across[-1] + 1 - across[0], down[-1] + 1 - down[0]) == (layout.width, layout.height)
    assert across[0] > box[2] or across[-1] < box[0]
    assert TRACK in {tuple(pixel) for pixel in with_units[changed].tolist()}
