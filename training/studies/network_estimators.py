"""Estimators of networks in torch: ensembles, single members, dropout samples, Dirichlets, densities (SPEC 4.3 E, 4.4).

All read the faces as the exported file does, which has an estimator of its own (training/evaluation/estimates.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from engine.types import Float32, UInt8
from training.data.fer2013 import MEAN, STD
from training.evaluation.estimates import Estimates, Estimator, estimates_of
from training.expression.landmark_maps import LANDMARK_POINTS
from training.expression.loss import concentrations, split
from training.expression.model import Arbex, ArbexOutput
from training.layers.attention import DropPath
from training.studies.density import FeatureDensity

_BATCH = 256


@torch.no_grad()
def outputs_of(model: Arbex, crops: UInt8, landmarks: Float32) -> list[ArbexOutput]:
    """Outputs of each branch for grey crops (N, S, S) and landmarks (N, 468, 2), on the CPU in single precision."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        part = slice(start, start + _BATCH)
        images = (torch.from_numpy(crops[part, None].astype(np.float32)) / 255 - MEAN) / STD
        points = torch.from_numpy(landmarks[part][:, LANDMARK_POINTS])
        parts.append(model(images.contiguous(memory_format=torch.channels_last), points))
    return [_joined(branch) for branch in zip(*parts, strict=True)]


def _joined(parts: Sequence[ArbexOutput]) -> ArbexOutput:
    return ArbexOutput(
        embedding=torch.cat([part.embedding for part in parts]),
        logits=torch.cat([part.logits for part in parts]),
        primary=torch.cat([part.primary for part in parts]),
        geometric=torch.cat([part.geometric for part in parts]),
        attentive=torch.cat([part.attentive for part in parts]),
        fused=torch.cat([part.fused for part in parts]),
        fer2013_logits=_joined_second([part.fer2013_logits for part in parts]),
    )


def _joined_second(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None


def fused_logits(models: Sequence[Arbex], crops: UInt8, landmarks: Float32) -> Float32:
    """Logarithm (N, M, C) of every branch's fused distribution, as the exported file gives it."""
    return _logits_of([output for model in models for output in outputs_of(model, crops, landmarks)])


def _logits_of(outputs: Sequence[ArbexOutput]) -> Float32:
    fused = torch.stack([output.fused for output in outputs], 1)  # (N, M, C)
    return np.asarray(fused.clamp(min=1e-9).log().numpy(), np.float32)


def network_estimator(models: Sequence[Arbex], temperature: float) -> Estimator:
    """Estimator of networks taken as one ensemble of all their branches."""
    return lambda crops, landmarks: estimates_of(fused_logits(models, crops, landmarks), temperature)


def dropout_estimator(model: Arbex, temperature: float, samples: int = 10, seed: int = 0) -> Estimator:
    """Monte-Carlo dropout of one network (Gal and Ghahramani, ICML 2016): dropout and drop path stay on."""

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


def dirichlet_estimator(model: Arbex) -> Estimator:
    """Estimator of a network trained as a Dirichlet (training/expression/loss.py)."""

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        parts = split(concentrations(outputs_of(model, crops, landmarks)[0].logits))
        return Estimates(
            parts.probabilities.double().numpy(), parts.aleatoric.double().numpy(), parts.epistemic.double().numpy()
        )

    return estimate


def density_estimator(model: Arbex, density: FeatureDensity, temperature: float) -> Estimator:
    """Probabilities of a network with the strangeness of its embedding as epistemic score (DDU).

    The aleatoric part is the entropy of the mean distribution: one label-distribution network knows no other.
    """

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        outputs = outputs_of(model, crops, landmarks)
        plain = estimates_of(_logits_of(outputs), temperature)
        strangeness = density.strangeness(_embedding_of(outputs))
        return Estimates(plain.probabilities, plain.aleatoric + plain.epistemic, strangeness, plain.members)

    return estimate


def embedding_of(model: Arbex, crops: UInt8, landmarks: Float32) -> Float32:
    """Embedding (N, D), of unit length, of the first branch for grey crops (N, S, S) and landmarks (N, 468, 2)."""
    return _embedding_of(outputs_of(model, crops, landmarks))


def _embedding_of(outputs: Sequence[ArbexOutput]) -> Float32:
    return np.asarray(outputs[0].embedding.numpy(), np.float32)
