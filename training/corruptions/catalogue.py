"""The fifteen corruptions with their published strengths, and the one function that applies them.

Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019
(arXiv 1903.12261). The constants are those of github.com/hendrycks/robustness (Apache-2.0), ImageNet-C/create_c:
make_cifar_c.py (made for 32 px) and make_imagenet_c.py (made for 224 px). The code here is ours, for grey images, and
frost is synthetic, not photographed (`weather.frost`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np

from engine.types import Float32, UInt8
from training.corruptions.blur import Glass, Smear, defocus_blur, glass_blur, motion_blur, zoom_blur
from training.corruptions.digital import Elastic, contrast, elastic, jpeg, pixelate
from training.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from training.corruptions.weather import Snow, brightness, fog, frost, snow

SEVERITIES: Final = (1, 2, 3, 4, 5)
_IMAGENET_SIDE_PX: Final = 224

_Constant = TypeVar("_Constant")
#: An image (S, S) float32 0-1 to its changed form, not yet clipped.
Change: TypeAlias = Callable[[Float32, np.random.Generator], Float32]


class Strength(str, Enum):
    """Which constants, at which size. They differ two- to fourfold: name the set beside every figure."""

    CIFAR_C = "cifar_c"  # CIFAR-C constants at the images' own size
    IMAGENET_C = "imagenet_c"  # ImageNet-C constants at the images' own size
    IMAGENET_C_224 = "imagenet_c_224"  # ImageNet-C constants at 224 px: images are enlarged, changed and shrunk back


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption; the functions are in order of severity, 1 to 5."""

    cifar_c: tuple[Change, ...]
    imagenet_c: tuple[Change, ...]


def _levels(
    change: Callable[[Float32, _Constant, np.random.Generator], Float32],
    cifar_c: Sequence[_Constant],
    imagenet_c: Sequence[_Constant],
) -> Corruption:
    return Corruption(
        tuple(partial(_with_constant, change, constant) for constant in cifar_c),
        tuple(partial(_with_constant, change, constant) for constant in imagenet_c),
    )


def _with_constant(
    change: Callable[[Float32, _Constant, np.random.Generator], Float32],
    constant: _Constant,
    image: Float32,
    random: np.random.Generator,
) -> Float32:
    return change(image, constant, random)


def _of_244(amplitude: float, deviation: float, affine: float) -> Elastic:
    """ImageNet-C's elastic constants are shares of 244 on images of 224 px."""
    return Elastic(amplitude * 244 / 224, deviation * 244 / 224, affine * 244 / 224)


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "gaussian_noise": _levels(gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": _levels(shot_noise, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": _levels(impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus_blur": _levels(
        defocus_blur,
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "glass_blur": _levels(
        glass_blur,
        (Glass(0.05, 1, 1), Glass(0.25, 1, 1), Glass(0.4, 1, 1), Glass(0.25, 1, 2), Glass(0.4, 1, 2)),
        (Glass(0.7, 1, 2), Glass(0.9, 2, 1), Glass(1, 2, 3), Glass(1.1, 3, 2), Glass(1.5, 4, 2)),
    ),
    "motion_blur": _levels(
        motion_blur,
        (Smear(6, 1), Smear(6, 1.5), Smear(6, 2), Smear(8, 2), Smear(9, 2.5)),
        (Smear(10, 3), Smear(15, 5), Smear(15, 8), Smear(15, 12), Smear(20, 15)),
    ),
    "zoom_blur": _levels(
        zoom_blur,
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    ),
    "snow": _levels(
        snow,
        (
            Snow(0.1, 0.2, 1, 0.6, Smear(8, 3), 0.95),
            Snow(0.1, 0.2, 1, 0.5, Smear(10, 4), 0.9),
            Snow(0.15, 0.3, 1.75, 0.55, Smear(10, 4), 0.9),
            Snow(0.25, 0.3, 2.25, 0.6, Smear(12, 6), 0.85),
            Snow(0.3, 0.3, 1.25, 0.65, Smear(14, 12), 0.8),
        ),
        (
            Snow(0.1, 0.3, 3, 0.5, Smear(10, 4), 0.8),
            Snow(0.2, 0.3, 2, 0.5, Smear(12, 4), 0.7),
            Snow(0.55, 0.3, 4, 0.9, Smear(12, 8), 0.7),
            Snow(0.55, 0.3, 4.5, 0.85, Smear(12, 8), 0.65),
            Snow(0.55, 0.3, 2.5, 0.85, Smear(12, 12), 0.55),
        ),
    ),
    "frost": _levels(
        frost,
        ((1, 0.2, 2), (1, 0.3, 2), (0.9, 0.4, 2), (0.85, 0.4, 2), (0.75, 0.45, 2)),
        ((1, 0.4, 10), (0.8, 0.6, 10), (0.7, 0.7, 10), (0.65, 0.7, 10), (0.6, 0.75, 10)),
    ),
    "fog": _levels(
        fog,
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": _levels(brightness, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": _levels(contrast, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "elastic": _levels(
        elastic,
        (
            Elastic(0, 0, 0.08),
            Elastic(0.05, 0.2, 0.07),
            Elastic(0.08, 0.06, 0.06),
            Elastic(0.1, 0.04, 0.05),
            Elastic(0.1, 0.03, 0.03),
        ),
        (
            _of_244(2, 0.7, 0.1),
            _of_244(2, 0.08, 0.2),
            _of_244(0.05, 0.01, 0.02),
            _of_244(0.07, 0.01, 0.02),
            _of_244(0.12, 0.01, 0.02),
        ),
    ),
    "pixelate": _levels(pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg": _levels(jpeg, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}


#: The four families of the publication.
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic", "pixelate", "jpeg"),
}


def corrupt(images: UInt8, name: str, severity: int, strength: Strength, seed: int = 0) -> UInt8:
    """Changed copies of grey images (N, S, S) uint8, of the same shape.

    The same arguments give the same images; the result for an image does not depend on later ones in the batch.

    Raises:
        ValueError: the corruption or severity does not exist.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}: use one of {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity} does not exist: use 1 to {SEVERITIES[-1]}")
    corruption = CORRUPTIONS[name]
    levels = corruption.cifar_c if strength is Strength.CIFAR_C else corruption.imagenet_c
    change = levels[severity - 1]
    random = np.random.default_rng([seed, zlib.crc32(name.encode()), severity])
    changed = np.empty_like(images)
    for place, image in enumerate(images):
        if strength is Strength.IMAGENET_C_224:
            changed[place] = shrink(_to_levels(change(_to_unit(enlarge(image)), random)), len(image))
        else:
            changed[place] = _to_levels(change(_to_unit(image), random))
    return changed


def enlarge(image: UInt8) -> UInt8:
    """An image (S, S) resized to ImageNet's (224, 224)."""
    size = (_IMAGENET_SIDE_PX, _IMAGENET_SIDE_PX)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def shrink(image: UInt8, side_px: int) -> UInt8:
    """A large image resized to (side, side)."""
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)


def _to_unit(image: UInt8) -> Float32:
    return np.asarray(image / np.float32(255), np.float32)


def _to_levels(image: Float32) -> UInt8:
    """Grey levels, truncated as ``np.uint8`` does in the published code."""
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
