"""Small real models with their contracts, and aligned faces as their input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.alignment import CROP_SIDE_PX
from engine.types import MESH_POINTS, AlignedFace, FaceQuality
from tests.fakes.models import make_action_unit_model, make_expression_model


@pytest.fixture
def face() -> Callable[..., AlignedFace]:
    """Make an aligned face: ``face(brightness)`` is flat grey, ``face(seed=3)`` is noise of that seed."""

    def make(brightness: int = 128, seed: int | None = None, track_id: int = 1) -> AlignedFace:
        crop = np.full((CROP_SIDE_PX, CROP_SIDE_PX), brightness, np.uint8)
        landmarks = np.full((MESH_POINTS, 2), 0.5, np.float32)
        if seed is not None:
            random = np.random.default_rng(seed)
            crop = random.integers(0, 256, crop.shape, dtype=np.uint8)
            landmarks = random.random(landmarks.shape, dtype=np.float32)
        return AlignedFace(track_id, crop, landmarks, np.eye(2, 3), FaceQuality(1.0))

    return make


@pytest.fixture
def expression_model(tmp_path: Path) -> Callable[..., Path]:
    """See `make_expression_model`; ``folder`` is the test's own unless it is given."""
    return partial(_made, make_expression_model, tmp_path)


@pytest.fixture
def action_unit_model(tmp_path: Path) -> Callable[..., Path]:
    """See `make_action_unit_model`; ``folder`` is the test's own unless it is given."""
    return partial(_made, make_action_unit_model, tmp_path)


def _made(make: Callable[..., Path], own: Path, *arguments: Any, folder: Path | None = None, **options: Any) -> Path:
    return make(folder or own, *arguments, **options)
