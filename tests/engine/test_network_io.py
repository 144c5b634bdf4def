"""Pictures into tensors, logits out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.alignment import CROP_TEMPLATE
from engine.backends.contract import CropSpec, read_contract
from engine.errors import ModelError
from engine.network_io import ImageInput, read_logits
from engine.types import AlignedFace

FaceMaker = Callable[..., AlignedFace]


def spec(side_px: int) -> CropSpec:
    return CropSpec(CROP_TEMPLATE, side_px, "grey", mean=0.5, std=0.25)


@pytest.mark.parametrize("side_px", [48, 96])
def test_picture_is_the_view_normalised(face: FaceMaker, side_px: int) -> None:
    faces = [face(seed=1), face(seed=2)]
    tensor = ImageInput(spec(side_px)).batch(faces)
    assert (tensor.shape, tensor.dtype) == ((2, 1, side_px, side_px), np.float32)
    for picture, one in zip(tensor, faces, strict=True):
        small = cv2.resize(one.crop, (side_px, side_px), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(picture[0], (small / 255 - 0.5) / 0.25, atol=1e-6)


@pytest.mark.parametrize(("level", "value"), [(0, (0 - 0.5) / 0.25), (255, (1 - 0.5) / 0.25)])
def test_ends_of_the_range(face: FaceMaker, level: int, value: float) -> None:
    assert (ImageInput(spec(48)).batch([face(level)]) == value).all()


def test_batches_do_not_share_memory(face: FaceMaker) -> None:
    images = ImageInput(spec(48))
    first = images.batch([face(0)])
    images.batch([face(255)])
    assert (first == -2).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(expression_model: Callable[..., Path], value: float) -> None:
    contract = read_contract(expression_model())
    logits = np.zeros((1, 5, 8), np.float32)
    assert read_logits({"logits": logits}, contract) is logits
    logits[0, 4, 7] = value
    with pytest.raises(ModelError, match="'tiny expression' gave logits that are not finite"):
        read_logits({"logits": logits}, contract)
