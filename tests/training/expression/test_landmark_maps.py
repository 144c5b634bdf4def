"""Landmark maps and their mirror table."""

from __future__ import annotations

import math

import pytest
import torch

from training.expression.landmark_maps import GROUPS, LANDMARK_POINTS, MIRROR, LandmarkMaps


def test_a_map_peaks_at_its_point() -> None:
    points = torch.full((1, len(LANDMARK_POINTS), 2), -5.0)  # far outside
    points[0, : len(GROUPS[0])] = torch.tensor([0.75, 0.25])  # all points of the first group
    maps = LandmarkMaps(4)(points)
    assert maps.shape == (1, 4, 4, len(GROUPS))
    assert maps[0, ..., 1:].max() < 1e-6
    peaks = maps[0, ..., 0]
    # 0.75 of 4 cells lies between columns 2 and 3, 0.25 between rows 0 and 1: half a cell from each centre
    assert torch.allclose(peaks[0:2, 2:4], torch.full((2, 2), math.exp(-0.5 * (0.25 + 0.25))))


def test_mirroring_twice_is_the_identity() -> None:
    assert [MIRROR[MIRROR[place]] for place in range(len(MIRROR))] == list(range(len(MIRROR)))
    assert LANDMARK_POINTS[MIRROR[LANDMARK_POINTS.index(33)]] == 263  # outer eye corners
    assert LANDMARK_POINTS[MIRROR[LANDMARK_POINTS.index(61)]] == 291  # mouth corners


def drawn_face() -> torch.Tensor:
    """Points (1, P, 2) of a schematic face: each group lies on a small circle at its place."""
    places = [(0.32, 0.3), (0.68, 0.3), (0.32, 0.38), (0.68, 0.38), (0.5, 0.55), (0.5, 0.75), (0.5, 0.75), (0.5, 0.6)]
    radii = [0.08, 0.08, 0.07, 0.07, 0.1, 0.14, 0.1, 0.4]
    points = []
    for group, (across, down), radius in zip(GROUPS, places, radii, strict=True):
        angles = torch.arange(len(group)) / len(group) * 2 * math.pi
        points.append(torch.stack([across + radius * angles.cos(), down + radius * angles.sin()], -1))
    return torch.cat(points)[None]


@pytest.mark.parametrize("grid", [22, 11, 8, 5, 4, 2])
def test_no_cell_saturates_at_any_level(grid: int) -> None:
    maps = LandmarkMaps(grid)(drawn_face())
    assert float(maps.max()) < 0.999
    assert float((maps.amax((0, 1, 2)) - maps.amin((0, 1, 2))).min()) > 0.05  # no group's map is the same everywhere


@pytest.mark.parametrize("grid", [11, 5, 2])
def test_an_open_mouth_changes_the_map_of_the_lips_at_every_level(grid: int) -> None:
    face = drawn_face()
    wider = face.clone()
    first = sum(len(group) for group in GROUPS[:5])
    lips = slice(first, first + len(GROUPS[5]))
    wider[:, lips, 1] = 0.75 + 1.5 * (face[:, lips, 1] - 0.75)
    change = (LandmarkMaps(grid)(wider) - LandmarkMaps(grid)(face)).abs().amax((0, 1, 2))
    assert float(change[5]) > 0.01
    assert float(change[0]) == 0.0
