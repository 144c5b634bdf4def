"""The fifteen corruptions: effect of their constants, and reproducibility."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.corruptions.blur import Glass, Smear, clipped_zoom, defocus_blur, gaussian_blur, glass_blur, smear
from training.corruptions.catalogue import CORRUPTIONS, SEVERITIES, Strength, corrupt, enlarge, shrink
from training.corruptions.digital import Elastic, elastic, pixelate
from training.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from training.corruptions.weather import frost_textures, plasma_fractal

SIDE = 48


@pytest.fixture
def images() -> np.ndarray:
    """Smooth images with an edge, as in faces, with room above and below their grey levels."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = [120 + 50 * np.sin(rows / (5 + k)) * np.cos(columns / 7) + 40 * (columns > 24) for k in range(4)]
    return np.asarray(waves, np.uint8)


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_catalogue_has_the_fifteen_published_corruptions() -> None:
    assert len(CORRUPTIONS) == 15
    assert all(len(item.cifar_c) == len(item.imagenet_c) == len(SEVERITIES) for item in CORRUPTIONS.values())


@pytest.mark.parametrize("strength", Strength)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_images_reproducibly(name: str, strength: Strength, images: np.ndarray) -> None:
    before = images.copy()
    for severity in (1, 5):
        changed = corrupt(images[:2], name, severity, strength, seed=3)
        assert changed.shape == (2, SIDE, SIDE)
        assert changed.dtype == np.uint8
        assert (changed[0] != images[0]).any()
        assert (changed == corrupt(images[:2], name, severity, strength, seed=3)).all()
    assert (images == before).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "frost", "fog", "snow", "elastic", "glass_blur"])
def test_result_depends_on_the_seed_and_not_on_later_images(name: str, images: np.ndarray) -> None:
    changed = corrupt(images, name, 3, Strength.CIFAR_C, seed=0)
    assert (changed != corrupt(images, name, 3, Strength.CIFAR_C, seed=1)).any()
    assert (changed[:2] == corrupt(images[:2], name, 3, Strength.CIFAR_C, seed=0)).all()
    same = np.repeat(images[:1], 2, axis=0)
    first, second = corrupt(same, name, 3, Strength.CIFAR_C)
    assert (first != second).any()  # each image is changed differently


@pytest.mark.parametrize("strength", [Strength.CIFAR_C, Strength.IMAGENET_C])
@pytest.mark.parametrize(
    "name", ["gaussian_noise", "shot_noise", "impulse_noise", "zoom_blur", "brightness", "contrast", "pixelate"]
)
def test_higher_severity_changes_more(name: str, strength: Strength, images: np.ndarray) -> None:
    gaps = [np.abs(corrupt(images, name, severity, strength).astype(int) - images).mean() for severity in SEVERITIES]
    assert gaps[0] < gaps[2] < gaps[4]


def test_wrong_name_or_severity_lists_the_valid_ones(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'rain'.*gaussian_noise"):
        corrupt(images, "rain", 1, Strength.CIFAR_C)
    with pytest.raises(ValueError, match="severity 6"):
        corrupt(images, "fog", 6, Strength.CIFAR_C)


def test_noises_have_the_published_strengths() -> None:
    grey = np.full((400, 400), 0.5, np.float32)
    assert gaussian_noise(grey, 0.1, random()).std() == pytest.approx(0.1, rel=0.02)
    assert shot_noise(grey, 50, random()).std() == pytest.approx((0.5 * 50) ** 0.5 / 50, rel=0.02)
    noisy = impulse_noise(grey, 0.07, random())
    assert (noisy == 0).mean() == pytest.approx(0.035, abs=0.003)
    assert (noisy == 1).mean() == pytest.approx(0.035, abs=0.003)


def test_severity_five_uses_the_published_constants_on_grey_levels(images: np.ndarray) -> None:
    brighter = corrupt(images, "brightness", 5, Strength.CIFAR_C).astype(int) - images
    assert set(np.unique(brighter)) <= {76, 77} | set(range(255 - int(images.max()), 77))  # .3 * 255, or white
    flatter = corrupt(images, "contrast", 5, Strength.IMAGENET_C)
    assert np.ptp(flatter) <= 0.05 * np.ptp(images) + 40 * 0.05 + 2


def test_gaussian_agrees_with_scipy_even_if_wider_than_the_image() -> None:
    noise = random().normal(size=(SIDE, SIDE)).astype(np.float32)
    for deviation, truncate in ((0.4, 4.0), (1.44, 3.0), (9.6, 3.0), (36.6, 3.0)):
        expected = ndimage.gaussian_filter(noise, deviation, mode="reflect", truncate=truncate)
        assert gaussian_blur(noise, deviation, truncate, "symmetric") == pytest.approx(expected, abs=1e-5)
    expected = ndimage.gaussian_filter(noise, 1.5, mode="nearest", truncate=4.0)
    assert gaussian_blur(noise, 1.5, 4.0, "edge") == pytest.approx(expected, abs=1e-5)
    assert (gaussian_blur(noise, 0.0, 3.0, "edge") == noise).all()


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.25, 1.3, 2.25, 4.5])
def test_zoom_agrees_with_scipy(factor: float) -> None:
    image = random().random((SIDE, SIDE)).astype(np.float32)
    part = int(np.ceil(SIDE / factor))
    top = (SIDE - part) // 2
    grown = ndimage.zoom(image[top : top + part, top : top + part], factor, order=1)
    trim = (len(grown) - SIDE) // 2
    expected = grown[trim : trim + SIDE, trim : trim + SIDE]
    assert clipped_zoom(image, factor) == pytest.approx(expected, abs=0.02)  # OpenCV places to 1/32 pixel


def test_motion_blur_of_a_point_is_half_a_gaussian() -> None:
    point = np.zeros((SIDE, SIDE), np.float32)
    point[20, 30] = 1
    weights = np.exp(-(np.arange(7.0) ** 2) / (2 * 1.5**2))
    smeared = smear(point, Smear(3, 1.5), 0.0)
    assert smeared[20, 24:31] == pytest.approx(weights[::-1] / weights.sum(), abs=1e-6)
    assert smeared.sum() == pytest.approx(1, abs=1e-5)


def test_blurs_leave_a_uniform_image_uniform() -> None:
    grey = np.full((SIDE, SIDE), 0.4, np.float32)
    assert defocus_blur(grey, (3, 0.1), random()) == pytest.approx(grey, abs=1e-6)
    assert smear(grey, Smear(20, 15), 30.0) == pytest.approx(grey, abs=1e-6)
    # glass rounds to grey levels, down, as published
    assert glass_blur(grey, Glass(0.4, 1, 2), random()) == pytest.approx(np.floor(grey * 255) / 255, abs=1e-6)


def test_glass_blur_copies_nearby_pixels_only() -> None:
    ramp = np.tile(np.arange(SIDE, dtype=np.float32) * 5 / 255, (SIDE, 1))  # the grey level is the column
    moved = glass_blur(ramp, Glass(0.0, 1, 1), random())
    columns = np.rint(moved * 255 / 5)
    away = columns - np.arange(SIDE)
    assert set(np.unique(away[2:-1, 2:-1])) == {-1, 0}  # moves are -reach ... reach - 1
    assert (away[:, :2] == 0).all()  # the rim stays
    assert (away[:2] == 0).all()


def test_pixelation_averages_blocks() -> None:
    image = random().random((SIDE, SIDE)).astype(np.float32)
    blocks = pixelate(image, 0.25, random()).reshape(12, 4, 12, 4)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0
    assert blocks[:, 0, :, 0] == pytest.approx(image.reshape(12, 4, 12, 4).mean((1, 3)), abs=1e-5)


def test_elastic_transform_of_zero_strength_changes_nothing() -> None:
    image = random().random((SIDE, SIDE)).astype(np.float32)
    assert elastic(image, Elastic(0, 0, 0), random()) == pytest.approx(image, abs=1e-3)


def test_fog_with_a_faster_decay_is_smoother() -> None:
    rough, smooth = (plasma_fractal(64, decay, random()) for decay in (1.5, 3.0))
    for clouds in (rough, smooth):
        assert clouds.min() == 0
        assert clouds.max() == 1
    assert np.abs(np.diff(smooth)).mean() < 0.7 * np.abs(np.diff(rough)).mean()


def test_synthetic_frost_has_the_grey_levels_of_the_photographs() -> None:
    textures = frost_textures(2)
    assert textures.mean((1, 2)) == pytest.approx([0.51, 0.80, 0.80, 0.59, 0.47], abs=0.03)
    assert textures.std((1, 2)) == pytest.approx([0.07, 0.09, 0.09, 0.11, 0.17], abs=0.03)
    neighbours = [np.corrcoef(frost[:, 1:].ravel(), frost[:, :-1].ravel())[0, 1] for frost in textures]
    assert min(neighbours) > 0.3
    assert max(neighbours) < 0.8


def test_enlarging_to_224_pixels_and_back_changes_little(images: np.ndarray) -> None:
    round_trip = shrink(enlarge(images[0]), SIDE)
    assert np.abs(round_trip.astype(int) - images[0]).mean() < 2
