"""Landmark maps and their mirror table."""

from __future__ import annotations

import math

import torch

from training.expression.landmark_maps import GROUPS, LANDMARK_POINTS, MIRROR, LandmarkMaps


def test_a_map_peaks_at_its_point() -> None:
    points = torch.full((1, len(LANDMARK_POINTS), 2), -5.0)  # far outside
    points[0, 0] = torch.tensor([0.75, 0.25])  # a point of the first group
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
