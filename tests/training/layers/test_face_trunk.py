"""The teacher's trunk against a direct computation of dlib's layers in numpy, and its start in training mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from engine.types import Float32, Float64
from tests.training.fakes.trunk import trunk_weights
from training.data.fer2013 import MEAN, STD
from training.expression.teacher import Teacher, TeacherConfig
from training.layers.face_trunk import (
    BLOCKS,
    DLIB_MEAN,
    DLIB_SCALE,
    FEATURES,
    KERNELS,
    MIN_SIDE_PX,
    FaceTrunk,
    ShortFaceTrunk,
    load_trunk,
    match_statistics,
)


@pytest.fixture(scope="module")
def weights() -> dict[str, Float32]:
    return trunk_weights()


@pytest.fixture(scope="module")
def trunk(weights: dict[str, Float32]) -> FaceTrunk:
    trunk = FaceTrunk().eval()
    load_trunk(trunk, weights, MEAN, STD)
    return trunk


def grey(count: int, side: int, seed: int = 0) -> Float32:
    """Smooth random images (N, 1, S, S) in 0-1."""
    coarse = torch.rand(count, 1, side // 4, side // 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear", align_corners=False)
    return np.asarray(smooth.numpy(), np.float32)


def normalised(images: Float32) -> torch.Tensor:
    return torch.from_numpy((images - np.float32(MEAN)) / np.float32(STD))


def convolution(x: Float64, weights: dict[str, Float32], number: int, stride: int, padding: int) -> Float64:
    """dlib's convolution with bias and its affine layer."""
    kernel, bias, gamma, beta = (weights[f"{part}{number}"].astype(np.float64) for part in ("w", "b", "gamma", "beta"))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(padded, kernel.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    summed = np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True) + bias[:, None, None]
    return gamma[:, None, None] * summed + beta[:, None, None]


def dlib_features(images: Float32, weights: dict[str, Float32]) -> Float64:
    """Features (N, 256) of grey images (N, 1, S, S), 0-1, computed as dlib does from three equal channels."""
    x = (255 * np.repeat(images.astype(np.float64), 3, 1) - np.array(DLIB_MEAN)[:, None, None]) / DLIB_SCALE
    x = np.maximum(convolution(x, weights, 0, stride=2, padding=0), 0)
    x = sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2].max((-2, -1))
    number = 1
    for width, halves in BLOCKS:
        inner = np.maximum(convolution(x, weights, number, 2 if halves else 1, 0 if halves else 1), 0)
        inner = convolution(inner, weights, number + 1, stride=1, padding=1)
        skip = sliding_window_view(x, (2, 2), (2, 3))[:, :, ::2, ::2].mean((-2, -1)) if halves else x
        side = max(inner.shape[-1], skip.shape[-1])
        total = np.zeros((len(x), width, side, side))
        for part in (inner, skip):
            total[:, : part.shape[1], : part.shape[2], : part.shape[3]] += part
        x, number = np.maximum(total, 0), number + 2
    return np.asarray(x.mean((2, 3)))


@pytest.mark.parametrize("side", [112, 128, 150])
def test_the_trunk_computes_what_dlib_computes(trunk: FaceTrunk, weights: dict[str, Float32], side: int) -> None:
    images = grey(2, side)
    with torch.no_grad():
        features = trunk(normalised(images)).numpy()
    expected = dlib_features(images, weights)
    assert expected.std() > 0.05
    assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()


def test_every_kernel_has_the_deviation_of_he_initialisation(trunk: FaceTrunk) -> None:
    for conv, _ in trunk.layers():
        fan_in = conv.weight[0].numel()
        assert float(conv.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=1e-4)


def test_matching_statistics_keeps_the_function_and_starts_training_mode_at_it(weights: dict[str, Float32]) -> None:
    trunk = FaceTrunk().eval()
    load_trunk(trunk, weights, MEAN, STD)
    images, others = normalised(grey(24, 112)), normalised(grey(4, 112, seed=1))
    with torch.no_grad():
        before, before_others = trunk(images), trunk(others)
        assert not torch.allclose(trunk.train()(images), before, rtol=0.05)
        load_trunk(trunk.eval(), weights, MEAN, STD)  # training mode moved the running statistics
        match_statistics(trunk, images)
        assert torch.allclose(trunk(others), before_others, atol=1e-4)
        assert not trunk.training
        in_training = trunk.train()(images)
    assert float((in_training - before).abs().max()) < 0.02 * float(before.abs().max())


def test_the_weights_have_one_kernel_per_convolution() -> None:
    shapes = [tuple(conv.weight.shape) for conv, _ in FaceTrunk().layers()]
    assert len(shapes) == len(KERNELS) == 29
    assert shapes[1:] == list(KERNELS[1:])
    assert KERNELS[0] == (32, 3, 7, 7)
    assert shapes[0] == (32, 1, 7, 7)


@pytest.mark.parametrize("side", [MIN_SIDE_PX, 96, 128])
def test_images_of_every_supported_side_give_logits(side: int) -> None:
    teacher = Teacher(TeacherConfig(input_side_px=side)).eval()
    with torch.no_grad():
        assert teacher.trunk(torch.zeros(2, 1, side, side)).shape == (2, FEATURES)
        assert teacher(torch.zeros(2, 1, side, side)).shape == (2, 8)


def test_a_side_that_leaves_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="input_side_px = 70 is too small.*use 71"):
        TeacherConfig(input_side_px=70)


@pytest.mark.parametrize("blocks", [(), (2, 0), (4,), (1, 1, 1, 1, 1)])
def test_blocks_that_the_network_does_not_have_cannot_be_kept(blocks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="can be kept, not"):
        ShortFaceTrunk(blocks)
