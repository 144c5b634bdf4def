"""Feature density: faces far from every class get a low density."""

from __future__ import annotations

import numpy as np
import pytest

from training.studies.network_estimators import fit_density


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    centres = np.array([[5.0, 0.0, 0.0], [-5.0, 0.0, 0.0]])
    return (centres[labels] + random.normal(0, [1.0, 3.0, 0.2], (600, 3))).astype(np.float32), labels


def test_distance_is_measured_in_standard_deviations() -> None:
    features, labels = two_classes()
    density = fit_density(features, labels, 2)
    along = np.array([[5.0, 3.0, 0.0]], np.float32)  # one deviation along the wide axis
    across = np.array([[5.0, 0.0, 3.0]], np.float32)  # fifteen along the narrow one
    assert density.negative_log_density(across) > density.negative_log_density(along) + 10


def test_density_is_high_at_both_class_means_and_low_between_them() -> None:
    features, labels = two_classes()
    density = fit_density(features, labels, 2)
    centres, middle = density.means.astype(np.float32), np.zeros((1, 3), np.float32)
    assert density.negative_log_density(centres).max() < density.negative_log_density(middle)[0]


def test_density_equals_that_of_the_gaussian_mixture() -> None:
    features, labels = two_classes()
    density = fit_density(features, labels, 2)
    precision = density.whitening @ density.whitening.T
    point = np.array([1.0, 2.0, -0.5])
    terms = [0.5 * np.exp(-0.5 * (point - mean) @ precision @ (point - mean)) for mean in density.means]
    assert density.negative_log_density(point[None].astype(np.float32))[0] == pytest.approx(
        -np.log(sum(terms)), rel=1e-6
    )


def test_class_without_faces_is_rejected() -> None:
    with pytest.raises(ValueError, match="no face of class 1"):
        fit_density(np.zeros((3, 2), np.float32), np.array([0, 0, 2]), 3)
