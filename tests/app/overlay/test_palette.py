"""The colours of the expressions can be told apart, with every kind of colour vision and on both backgrounds."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.overlay.palette import (
    ACCENT,
    ACCENT_ON_LIGHT,
    BLACK,
    EXPRESSION_COLOURS,
    EXPRESSION_COLOURS_ON_LIGHT,
    GREY,
    PLATE,
    WHITE,
    Colour,
)
from engine.facs import EXPRESSIONS

#: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE
#: TVCG 15 (6), 2009, severity 1.0, on linear RGB.
SIGHT = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
#: Ottosson's Oklab: linear RGB to cone responses, and their cube roots to lightness and two colour axes.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
TABLES = {"dark": (EXPRESSION_COLOURS, ACCENT, BLACK), "light": (EXPRESSION_COLOURS_ON_LIGHT, ACCENT_ON_LIGHT, WHITE)}


def linear(colour: Colour) -> Any:
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(colour: Colour, sight: str) -> Any:
    seen = np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ seen)


def distance(one: Colour, other: Colour, sight: str = "normal") -> float:
    """In Oklab, where black and white are 1 apart and about 0.02 is just noticed."""
    return float(np.linalg.norm(lab(one, sight) - lab(other, sight)))


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of WCAG 2."""
    low, high = sorted(float(np.dot((0.2126, 0.7152, 0.0722), linear(colour))) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_of_distance_is_that_of_oklab() -> None:
    assert distance(BLACK, WHITE) == pytest.approx(1.0, abs=1e-3)
    # the two blues of sadness and surprise that users mixed up on a light background
    assert distance((0, 114, 178), (61, 128, 166), "normal") < 0.07


@pytest.mark.parametrize("background", TABLES)
@pytest.mark.parametrize(("sight", "least"), [("normal", 0.11), *((sight, 0.065) for sight in list(SIGHT)[1:])])
def test_every_two_expressions_can_be_told_apart(background: str, sight: str, least: float) -> None:
    table, _, _ = TABLES[background]
    closest = min(combinations(EXPRESSIONS, 2), key=lambda pair: distance(table[pair[0]], table[pair[1]], sight))
    assert distance(table[closest[0]], table[closest[1]], sight) >= least, closest


@pytest.mark.parametrize("background", TABLES)
def test_hues_are_eight_different_ones(background: str) -> None:
    table, _, _ = TABLES[background]
    axes = {label: lab(table[label], "normal")[1:] for label in EXPRESSIONS if label != "neutral"}
    hues = sorted(np.degrees(np.arctan2(axis[1], axis[0])) % 360 for axis in axes.values())
    gaps = [after - before for before, after in zip(hues, (*hues[1:], hues[0] + 360), strict=True)]
    assert min(gaps) > 14
    assert np.hypot(*lab(table["neutral"], "normal")[1:]) < 0.01  # the eighth is grey


@pytest.mark.parametrize("background", TABLES)
def test_the_accent_is_the_colour_of_no_expression(background: str) -> None:
    table, accent, _ = TABLES[background]
    assert min(distance(accent, colour) for colour in table.values()) > 0.08
    assert min(distance(accent, colour, sight) for colour in table.values() for sight in SIGHT) > 0.035


@pytest.mark.parametrize("background", TABLES)
def test_contrast_with_the_background(background: str) -> None:
    table, accent, behind = TABLES[background]
    assert min(contrast(colour, behind) for colour in (*table.values(), accent)) >= 3.0
    assert contrast(ACCENT_ON_LIGHT, WHITE) >= 4.5  # text on it


def test_colours_over_images_stand_out_from_their_plate_and_from_what_is_not_assessed() -> None:
    assert min(contrast(colour, PLATE) for colour in EXPRESSION_COLOURS.values()) >= 3.0
    assert min(distance(colour, GREY) for colour in EXPRESSION_COLOURS.values()) > 0.08


def test_the_page_of_the_service_has_the_same_colours() -> None:
    page = (Path(__file__).parents[3] / "app" / "serve" / "page.html").read_text(encoding="utf-8")
    for label, colour in EXPRESSION_COLOURS.items():
        assert f'{label}: "#{bytes(colour).hex()}"' in page
