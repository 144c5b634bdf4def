"""The fifteen corruptions: each does what its constants say, and twice the same."""

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
def pictures() -> np.ndarray:
    """Smooth pictures with an edge, as faces have, with room above and below their grey levels."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    waves = [120 + 50 * np.sin(rows / (5 + k)) * np.cos(columns / 7) + 40 * (columns > 24) for k in range(4)]
    return np.asarray(waves, np.uint8)


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_there_are_the_fifteen_of_the_paper() -> None:
    assert len(CORRUPTIONS) == 15
    assert all(len(item.cifar_c) == len(item.imagenet_c) == len(SEVERITIES) for item in CORRUPTIONS.values())


@pytest.mark.parametrize("strength", Strength)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_changes_pictures_repeatably(name: str, strength: Strength, pictures: np.ndarray) -> None:
    before = pictures.copy()
    for severity in (1, 5):
        changed = corrupt(pictures[:2], name, severity, strength, seed=3)
        assert changed.shape == (2, SIDE, SIDE)
        assert changed.dtype == np.uint8
        assert (changed[0] != pictures[0]).any()
        assert (changed == corrupt(pictures[:2], name, severity, strength, seed=3)).all()
    assert (pictures == before).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "frost", "fog", "snow", "elastic", "glass_blur"])
def test_another_seed_draws_anew_and_pictures_behind_change_nothing(name: str, pictures: np.ndarray) -> None:
    changed = corrupt(pictures, name, 3, Strength.CIFAR_C, seed=0)
    assert (changed != corrupt(pictures, name, 3, Strength.CIFAR_C, seed=1)).any()
    assert (changed[:2] == corrupt(pictures[:2], name, 3, Strength.CIFAR_C, seed=0)).all()
    same = np.repeat(pictures[:1], 2, axis=0)
    first, second = corrupt(same, name, 3, Strength.CIFAR_C)
    assert (first != second).any()  # each picture is changed in its own way


@pytest.mark.parametrize("strength", [Strength.CIFAR_C, Strength.IMAGENET_C])
@pytest.mark.parametrize(
    "name", ["gaussian_noise", "shot_noise", "impulse_noise", "zoom_blur", "brightness", "contrast", "pixelate"]
)
def test_a_higher_severity_changes_more(name: str, strength: Strength, pictures: np.ndarray) -> None:
    gaps = [
        np.abs(corrupt(pictures, name, severity, strength).astype(int) - pictures).mean() for severity in SEVERITIES
    ]
    assert gaps[0] < gaps[2] < gaps[4]


def test_a_wrong_name_or_severity_names_the_right_ones(pictures: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'rain'.*gaussian_noise"):
        corrupt(pictures, "rain", 1, Strength.CIFAR_C)
    with pytest.raises(ValueError, match="severity 6"):
        corrupt(pictures, "fog", 6, Strength.CIFAR_C)


def test_noises_have_the_published_sizes() -> None:
    grey = np.full((400, 400), 0.5, np.float32)
    assert gaussian_noise(grey, 0.1, random()).std() == pytest.approx(0.1, rel=0.02)
    assert shot_noise(grey, 50, random()).std() == pytest.approx((0.5 * 50) ** 0.5 / 50, rel=0.02)
    noisy = impulse_noise(grey, 0.07, random())
    assert (noisy == 0).mean() == pytest.approx(0.035, abs=0.003)
    assert (noisy == 1).mean() == pytest.approx(0.035, abs=0.003)


def test_constants_of_the_worst_level_act_on_grey_levels(pictures: np.ndarray) -> None:
    brighter = corrupt(pictures, "brightness", 5, Strength.CIFAR_C).astype(int) - pictures
    assert set(np.unique(brighter)) <= {76, 77} | set(range(255 - int(pictures.max()), 77))  # .3 * 255, or white
    flatter = corrupt(pictures, "contrast", 5, Strength.IMAGENET_C)
    assert np.ptp(flatter) <= 0.05 * np.ptp(pictures) + 40 * 0.05 + 2


def test_the_gaussian_agrees_with_scipy_also_where_it_is_wider_than_the_picture() -> None:
    noise = random().normal(size=(SIDE, SIDE)).astype(np.float32)
    for deviation, truncate in ((0.4, 4.0), (1.44, 3.0), (9.6, 3.0), (36.6, 3.0)):
        expected = ndimage.gaussian_filter(noise, deviation, mode="reflect", truncate=truncate)
        assert gaussian_blur(noise, deviation, truncate, "symmetric") == pytest.approx(expected, abs=1e-5)
    expected = ndimage.gaussian_filter(noise, 1.5, mode="nearest", truncate=4.0)
    assert gaussian_blur(noise, 1.5, 4.0, "edge") == pytest.approx(expected, abs=1e-5)
    assert (gaussian_blur(noise, 0.0, 3.0, "edge") == noise).all()


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.25, 1.3, 2.25, 4.5])
def test_the_zoom_agrees_with_scipy(factor: float) -> None:
    picture = random().random((SIDE, SIDE)).astype(np.float32)
    part = int(np.ceil(SIDE / factor))
    top = (SIDE - part) // 2
    grown = ndimage.zoom(picture[top : top + part, top : top + part], factor, order=1)
    trim = (len(grown) - SIDE) // 2
    expected = grown[trim : trim + SIDE, trim : trim + SIDE]
    assert clipped_zoom(picture, factor) == pytest.approx(expected, abs=0.02)  # OpenCV places to 1/32 pixel


def test_a_point_smeared_along_the_row_is_half_a_gaussian() -> None:
    point = np.zeros((SIDE, SIDE), np.float32)
    point[20, 30] = 1
    weights = np.exp(-(np.arange(7.0) ** 2) / (2 * 1.5**2))
    smeared = smear(point, Smear(3, 1.5), 0.0)
    assert smeared[20, 24:31] == pytest.approx(weights[::-1] / weights.sum(), abs=1e-6)
    assert smeared.sum() == pytest.approx(1, abs=1e-5)


def test_blurs_keep_an_even_picture_even() -> None:
    grey = np.full((SIDE, SIDE), 0.4, np.float32)
    assert defocus_blur(grey, (3, 0.1), random()) == pytest.approx(grey, abs=1e-6)
    assert smear(grey, Smear(20, 15), 30.0) == pytest.approx(grey, abs=1e-6)
    # glass rounds to grey levels, down, as published
    assert glass_blur(grey, Glass(0.4, 1, 2), random()) == pytest.approx(np.floor(grey * 255) / 255, abs=1e-6)


def test_glass_copies_from_near_pixels_only() -> None:
    ramp = np.tile(np.arange(SIDE, dtype=np.float32) * 5 / 255, (SIDE, 1))  # the column is told by the grey level
    moved = glass_blur(ramp, Glass(0.0, 1, 1), random())
    columns = np.rint(moved * 255 / 5)
    away = columns - np.arange(SIDE)
    assert set(np.unique(away[2:-1, 2:-1])) == {-1, 0}  # moves are -reach ... reach - 1
    assert (away[:, :2] == 0).all()  # the rim stays
    assert (away[:2] == 0).all()


def test_pixels_grow_to_blocks() -> None:
    picture = random().random((SIDE, SIDE)).astype(np.float32)
    blocks = pixelate(picture, 0.25, random()).reshape(12, 4, 12, 4)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0
    assert blocks[:, 0, :, 0] == pytest.approx(picture.reshape(12, 4, 12, 4).mean((1, 3)), abs=1e-5)


def test_an_elastic_without_strength_changes_nothing() -> None:
    picture = random().random((SIDE, SIDE)).astype(np.float32)
    assert elastic(picture, Elastic(0, 0, 0), random()) == pytest.approx(picture, abs=1e-3)


def test_fog_is_smoother_the_faster_it_loses_detail() -> None:
    rough, smooth = (plasma_fractal(64, decay, random()) for decay in (1.5, 3.0))
    for clouds in (rough, smooth):
        assert clouds.min() == 0
        assert clouds.max() == 1
    assert np.abs(np.diff(smooth)).mean() < 0.7 * np.abs(np.diff(rough)).mean()


def test_made_frost_has_the_grey_levels_of_the_photographs() -> None:
    textures = frost_textures(2)
    assert textures.mean((1, 2)) == pytest.approx([0.51, 0.80, 0.80, 0.59, 0.47], abs=0.03)
    assert textures.std((1, 2)) == pytest.approx([0.07, 0.09, 0.09, 0.11, 0.17], abs=0.03)
    neighbours = [np.corrcoef(frost[:, 1:].ravel(), frost[:, :-1].ravel())[0, 1] for frost in textures]
    assert min(neighbours) > 0.3
    assert max(neighbours) < 0.8


def test_the_way_to_224_pixels_and_back_leaves_little_trace(pictures: np.ndarray) -> None:
    there_and_back = shrink(enlarge(pictures[0]), SIDE)
    assert np.abs(there_and_back.astype(int) - pictures[0]).mean() < 2
