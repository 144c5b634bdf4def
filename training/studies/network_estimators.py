"""Estimators that run networks in PyTorch: ensembles, MC dropout, Dirichlets, feature densities (SPEC 4.3 E, 4.4).

They read faces as the exported file does, whose own estimator is in training/evaluation/estimates.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from engine.types import Float32, Float64, Int64, UInt8
from training.data.fer2013 import MEAN, STD
from training.evaluation.estimates import Estimates, Estimator, estimates_of
from training.expression.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from training.expression.landmark_maps import LANDMARK_POINTS
from training.expression.loss import class_distribution_loss, concentrations, split
from training.expression.model import Arbex, ArbexOutput
from training.layers.attention import DropPath

_BATCH: Final = 256
#: Share of the mean variance that is added to the diagonal of the covariance.
_SHRINKAGE: Final = 0.01


@torch.no_grad()
def outputs_of(model: Arbex, crops: UInt8, landmarks: Float32) -> list[ArbexOutput]:
    """Outputs of each branch for grey crops (N, S, S) and landmarks (N, 468, 2), on the CPU in float32."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        part = slice(start, start + _BATCH)
        images = (torch.from_numpy(crops[part, None].astype(np.float32)) / 255 - MEAN) / STD
        points = torch.from_numpy(landmarks[part][:, LANDMARK_POINTS])
        parts.append(model(images.contiguous(memory_format=torch.channels_last), points))
    return [_concatenated(branch) for branch in zip(*parts, strict=True)]


def _concatenated(parts: Sequence[ArbexOutput]) -> ArbexOutput:
    return ArbexOutput(
        embedding=torch.cat([part.embedding for part in parts]),
        logits=torch.cat([part.logits for part in parts]),
        primary=torch.cat([part.primary for part in parts]),
        geometric=torch.cat([part.geometric for part in parts]),
        attentive=torch.cat([part.attentive for part in parts]),
        fused=torch.cat([part.fused for part in parts]),
        fer2013_logits=_concatenated_fer2013([part.fer2013_logits for part in parts]),
    )


def _concatenated_fer2013(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None


def fused_logits(models: Sequence[Arbex], crops: UInt8, landmarks: Float32) -> Float32:
    """Logarithm (N, M, C) of every branch's fused distribution, as the exported file outputs it."""
    return _logits_of([output for model in models for output in outputs_of(model, crops, landmarks)])


def _logits_of(outputs: Sequence[ArbexOutput]) -> Float32:
    fused = torch.stack([output.fused for output in outputs], 1)  # (N, M, C)
    return np.asarray(fused.clamp(min=1e-9).log().numpy(), np.float32)


def network_estimator(models: Sequence[Arbex], temperature: float) -> Estimator:
    """One ensemble of all branches of the networks."""
    return lambda crops, landmarks: estimates_of(fused_logits(models, crops, landmarks), temperature)


def dropout_estimator(model: Arbex, temperature: float, samples: int = 10, seed: int = 0) -> Estimator:
    """MC dropout of one network (Gal and Ghahramani, ICML 2016), with dropout and drop path active."""

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        torch.manual_seed(seed)
        model.eval()
        for module in model.modules():
            if isinstance(module, (nn.Dropout, DropPath)):
                module.train()
        logits = np.concatenate([fused_logits([model], crops, landmarks) for _ in range(samples)], axis=1)
        model.eval()
        return estimates_of(logits, temperature)

    return estimate


def dirichlet_estimator(model: Arbex, temperature: float = 1.0) -> Estimator:
    """Network trained as a Dirichlet (training/expression/loss.py), whose logits are divided by a temperature."""
    return lambda crops, landmarks: dirichlet_estimates(outputs_of(model, crops, landmarks)[0].logits, temperature)


def dirichlet_estimates(logits: Tensor, temperature: float) -> Estimates:
    """Estimates of logits (N, C) as a Dirichlet, in closed form."""
    parts = split(concentrations(logits / temperature))
    return Estimates(
        parts.probabilities.double().numpy(), parts.aleatoric.double().numpy(), parts.epistemic.double().numpy()
    )


def fit_dirichlet_temperature(logits: Tensor, vote_shares: Float32) -> float:
    """The temperature of logits (N, C) whose Dirichlet has the mean with the lowest NLL against vote shares (N, C)."""
    shares = torch.from_numpy(vote_shares)

    def nll(log_temperature: float) -> float:
        mean = split(concentrations(logits / math.exp(log_temperature))).probabilities
        return float(class_distribution_loss(mean, shares))

    bounds = (math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE))
    return math.exp(minimize_scalar(nll, bounds=bounds, method="bounded").x)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureDensity:
    """A Gaussian per class with a shared covariance, on the embedding of the training faces.

    Mukhoti et al., "Deep Deterministic Uncertainty", CVPR 2023 (arXiv 2102.11582): the epistemic score is minus the
    logarithm of the mixture's density. Where we differ: the Gaussians share one covariance (Lee et al., NeurIPS 2018,
    arXiv 1807.03888), since contempt and disgust have fewer faces than dimensions, and the trunk has no spectral norm.
    """

    means: Float64  # (C, D)
    whitening: Float64  # (D, D) W with W W^T = inverse covariance
    log_weights: Float64  # (C,) ln of the class frequencies

    def negative_log_density(self, features: Float32) -> Float64:
        """Minus ln density (N,) of features (N, D), up to a constant that is the same for all faces."""
        white = features.astype(np.float64) @ self.whitening
        centres = self.means @ self.whitening
        squared = ((white[:, None] - centres[None]) ** 2).sum(-1)  # (N, C) Mahalanobis distances
        return np.asarray(-np.logaddexp.reduce(self.log_weights - squared / 2, axis=1), np.float64)


def fit_density(features: Float32, labels: Int64, classes: int) -> FeatureDensity:
    """Fit to features (N, D) of training faces and their classes (N,).

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


def density_estimator(model: Arbex, density: FeatureDensity, temperature: float) -> Estimator:
    """Network whose epistemic score is the negative log density of its embedding (DDU).

    The aleatoric part is the entropy of the mean distribution: a single label-distribution network has no other.
    """

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        outputs = outputs_of(model, crops, landmarks)
        plain = estimates_of(_logits_of(outputs), temperature)
        epistemic = density.negative_log_density(_embedding_of(outputs))
        return Estimates(plain.probabilities, plain.aleatoric + plain.epistemic, epistemic, plain.members)

    return estimate


def embedding_of(model: Arbex, crops: UInt8, landmarks: Float32) -> Float32:
    """Unit-length embedding (N, D) of the first branch for grey crops (N, S, S) and landmarks (N, 468, 2)."""
    return _embedding_of(outputs_of(model, crops, landmarks))


def _embedding_of(outputs: Sequence[ArbexOutput]) -> Float32:
    return np.asarray(outputs[0].embedding.numpy(), np.float32)
