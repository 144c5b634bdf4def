"""Estimates of any model for a set of faces, in one form, so that all models are measured by the same code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from engine.backends.contract import ExpressionCalibration, ExpressionContract, read_contract
from engine.errors import ContractError
from engine.expression import softmax
from engine.types import Float32, Float64, UInt8
from engine.uncertainty import decompose
from training.expression.export import open_network, run_network


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Calibrated probabilities and uncertainties of a set of faces."""

    probabilities: Float64  # (N, C)
    aleatoric: Float64  # (N,) nats
    epistemic: Float64  # (N,) nats; of a density, minus its logarithm
    members: Float32 | None = None  # (N, M, C) where the model has members


#: Grey crops (N, S, S) uint8 in the canonical view, S of the model, and landmarks (N, 468, 2) 0-1 -> Estimates.
Estimator: TypeAlias = Callable[[UInt8, Float32], Estimates]


def estimates_of(logits: Float32, temperature: float) -> Estimates:
    """Logits (N, M, C) of members to estimates (SPEC 4.1)."""
    members = softmax(logits, temperature)
    parts = decompose(members)
    return Estimates(
        members.astype(np.float64).mean(1), np.asarray(parts.aleatoric), np.asarray(parts.epistemic), members
    )


def file_estimator(model: Path) -> tuple[Estimator, ExpressionContract, ExpressionCalibration]:
    """Estimator of an exported file, its contract and its calibration.

    Raises:
        ContractError: there is no contract, or the file is not an expression model.
    """
    contract = read_contract(model)
    if not isinstance(contract, ExpressionContract):
        raise ContractError(f"{model} is a model for {contract.task}: give an expression model")
    calibration = contract.calibration
    network = open_network(model)  # opened once: an evaluation runs it more than a hundred times

    def estimate(crops: UInt8, landmarks: Float32) -> Estimates:
        return estimates_of(run_network(network, crops, landmarks), calibration.temperature)

    return estimate, contract, calibration
