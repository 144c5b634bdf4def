"""What the fixed noise bank of an action-unit model adds to its outputs, and which noise its epistemic part comes from.

The truth is the same network with 2,000 samples from another seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.action_units import noise_bank, sigmoid
from engine.types import Float32, Float64, UInt8
from engine.uncertainty import binary_decomposition
from training.action_units.exported import ExportedActionUnits
from training.metrics.bootstrap import Figure, draw, drawn_mean, figure_of

TRUE_SAMPLES: Final = 2000
_AT_ONCE: Final = 100
#: Samples of the banks that vary only one kind of noise.
_PART_SAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class MaskNoise:
    """The bank of the contract against the truth; intervals are over faces."""

    faces: int
    samples: int  # of the contract's bank
    mask_correlation: Figure  # of a face's mean mask over the edges between units, with the truth
    mask_spread_over_edges: float  # standard deviation of the true mean mask over these edges, mean over faces
    mask_spread_over_faces: float  # standard deviation of an edge's true mean mask over faces, mean over edges
    occurrence_error: Figure  # mean absolute difference, over units
    decisions_that_differ: Figure  # share over faces and units, at the thresholds
    epistemic_edges_nats: float  # with noise on edges between units alone, mean over faces and units
    epistemic_self_nats: float  # with noise on the units' own loops alone
    epistemic_share_of_edges: Figure  # the former over the sum of both


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Means over the samples of one bank."""

    occurrence: Float64  # (N, K)
    epistemic: Float64  # (N, K) nats
    mask: Float64  # (N, E) mean mask of the edges between different units


def measure_mask_noise(network: ExportedActionUnits, crops: UInt8, resamples: int = 1000) -> MaskNoise:
    """Figures of crops (N, 96, 96) uint8."""
    contract, calibration = network.contract, network.calibration
    units, samples = len(contract.labels), calibration.mask_samples
    bank = noise_bank(TRUE_SAMPLES, units, calibration.mask_seed + 1)
    true, own = _run(network, crops, bank), _run(network, crops, noise_bank(samples, units, calibration.mask_seed))
    part = noise_bank(_PART_SAMPLES, units, calibration.mask_seed + 1)
    loops = np.eye(units, dtype=np.float32)
    edges, loop = _run(network, crops, part * (1 - loops)), _run(network, crops, part * loops)
    draws = draw(len(crops), resamples)
    thresholds = np.array(calibration.thresholds)
    differ = (true.occurrence >= thresholds) != (own.occurrence >= thresholds)
    of_edges, of_loops = (drawn_mean(draws, each.epistemic.mean(1)) for each in (edges, loop))
    return MaskNoise(
        faces=len(crops),
        samples=samples,
        mask_correlation=figure_of(drawn_mean(draws, _correlations(own.mask, true.mask)), len(crops)),
        mask_spread_over_edges=float(true.mask.std(1).mean()),
        mask_spread_over_faces=float(true.mask.std(0).mean()),
        occurrence_error=figure_of(drawn_mean(draws, np.abs(own.occurrence - true.occurrence).mean(1)), len(crops)),
        decisions_that_differ=figure_of(drawn_mean(draws, differ.mean(1)), len(crops)),
        epistemic_edges_nats=float(of_edges[0]),
        epistemic_self_nats=float(of_loops[0]),
        epistemic_share_of_edges=figure_of(of_edges / (of_edges + of_loops), len(crops)),
    )


def _run(network: ExportedActionUnits, crops: UInt8, bank: Float32) -> _Run:
    """Means over a bank, whose samples are taken a few at a time."""
    temperature = network.calibration.temperature
    between = ~np.eye(bank.shape[-1], dtype=bool)
    units = bank.shape[-1]
    occurrence, aleatoric = (np.zeros((len(crops), units)) for _ in range(2))
    mask = np.zeros((len(crops), units * (units - 1)))
    for start in range(0, len(bank), _AT_ONCE):
        some = bank[start : start + _AT_ONCE]
        logits, mean_mask = network.sampled(crops, some)
        samples, share = sigmoid(logits, temperature), len(some) / len(bank)
        occurrence += share * samples.mean(1).astype(np.float64)
        aleatoric += share * binary_decomposition(samples).aleatoric.astype(np.float64)
        mask += share * mean_mask[:, between].astype(np.float64)
    p = np.clip(occurrence, 1e-12, 1 - 1e-12)
    total = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    return _Run(p, np.maximum(total - aleatoric, 0.0), mask)


def _correlations(first: Float64, second: Float64) -> Float64:
    """Pearson correlation (N,) of each row of two arrays (N, E)."""
    a, b = (values - values.mean(1, keepdims=True) for values in (first, second))
    scale = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    return np.asarray((a * b).sum(1) / np.maximum(scale, np.finfo(np.float64).tiny))
