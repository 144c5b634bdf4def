"""Feature density: how far an embedding lies from those of the training faces.

Mukhoti et al., "Deep Deterministic Uncertainty", CVPR 2023 (arXiv 2102.11582): one Gaussian per class on the features
of the last layer; the epistemic score is minus the logarithm of their mixture's density. Where we differ: the Gaussians
share one covariance (Lee et al., NeurIPS 2018, arXiv 1807.03888), since contempt and disgust have fewer faces than
dimensions, and the trunk has no spectral norm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.types import Float32, Float64, Int64

#: Share of the mean variance that is added to the covariance's diagonal.
_SHRINKAGE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class FeatureDensity:
    """A Gaussian per class with a shared covariance."""

    means: Float64  # (C, D)
    whitening: Float64  # (D, D) W with W W^T = inverse covariance
    log_weights: Float64  # (C,) ln of the classes' shares

    def strangeness(self, features: Float32) -> Float64:
        """Minus the log density (N,) of features (N, D), up to a constant that is the same for all."""
        white = features.astype(np.float64) @ self.whitening
        centres = self.means @ self.whitening
        squared = ((white[:, None] - centres[None]) ** 2).sum(-1)  # (N, C) Mahalanobis distances
        return np.asarray(-np.logaddexp.reduce(self.log_weights - squared / 2, axis=1), np.float64)


def fit_density(features: Float32, labels: Int64, classes: int) -> FeatureDensity:
    """Fit on features (N, D) of training faces and their classes (N,).

    Raises:
        ValueError: a class has no face.
    """
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"no face of class {int(counts.argmin())}: every class needs at least one")
    values = features.astype(np.float64)
    means = np.stack([values[labels == label].mean(0) for label in range(classes)])
    centred = values - means[labels]
    covariance = centred.T @ centred / len(values)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))
    return FeatureDensity(means, whitening, np.log(counts / counts.sum()))
