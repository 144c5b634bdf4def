"""Action units: occurrence in aligned faces, with the uncertainty of the sampled graph.

Song, Chen, Zheng and Ji, "Uncertain Graph Neural Networks for Facial Action Unit Detection", AAAI 2021 (UGN). The
noise that the network samples its edge masks with is an input. Every frame uses the same noise bank, so a motionless
face has constant values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.alignment import ImageInput
from engine.backends.base import InferenceBackend, read_logits
from engine.backends.contract import ActionUnitContract
from engine.errors import ContractError
from engine.types import AlignedFace, AUEstimate, Float32
from engine.uncertainty import binary_decomposition

#: Beyond this, logits are saturated in float32; the clip keeps exp() finite.
_LOGIT_LIMIT: Final = 80.0


class ActionUnitEstimator:
    """Estimates action units with a network of task ``action_units``, calibrated by its contract."""

    def __init__(self, backend: InferenceBackend) -> None:
        """Use a backend, which stays open and belongs to the caller.

        Raises:
            ContractError: the network is for another task.
        """
        contract = backend.contract
        if not isinstance(contract, ActionUnitContract):
            raise ContractError(f"{contract.name!r} is for {contract.task}, not for action units: give the AU model")
        calibration = contract.calibration
        self.contract: ActionUnitContract = contract
        self._backend = backend
        self._images = ImageInput(contract.crop)
        self._temperature = calibration.temperature
        self._codes = np.array([int(label.removeprefix("AU")) for label in contract.labels], np.int64)
        self._noise = noise_bank(calibration.mask_samples, len(contract.labels), calibration.mask_seed)

    def estimate(self, faces: Sequence[AlignedFace]) -> list[AUEstimate]:
        """Occurrence and its uncertainty for each face, in the order of ``faces``, from one run of the network.

        Raises:
            BackendError, ModelError: the network cannot run, or returns values that are not finite.
        """
        if not faces:
            return []
        outputs = self._backend.run({"image": self._images.batch(faces), "noise": self._noise})
        samples = sigmoid(read_logits(outputs, self.contract), self._temperature)  # (N, S, K)
        occurrence, occurrence_std = samples.mean(1), samples.std(1)  # (N, K)
        parts = binary_decomposition(samples)  # (N, K) each
        graded = outputs.get("intensity")  # (N, K)
        return [
            AUEstimate(
                codes=self._codes,
                occurrence=occurrence[place],
                occurrence_std=occurrence_std[place],
                aleatoric=parts.aleatoric[place],
                epistemic=parts.epistemic[place],
                mask_mean=outputs["mask_mean"][place],
                mask_std=outputs["mask_std"][place],
                adjacency=outputs["adjacency"],
                intensity=None if graded is None else graded[place],
            )
            for place in range(len(faces))
        ]


def noise_bank(samples: int, units: int, seed: int) -> Float32:
    """Noise (S, 2, K, K) per sample, graph layer and edge; a seed gives the same bank everywhere.

    Normal draws in opposite pairs, scaled so that over the samples each edge has mean 0 and variance 1 exactly: with
    S = 20 independent draws, the mean mask was mostly the draws' own mean, not the network's. An odd S adds a sample of
    zeros, and a single sample is zero: the mask at the mean of its logits.
    (Antithetic variates with moment matching: Glasserman, "Monte Carlo Methods in Financial Engineering", 2003, 4.2
    and 4.5.)
    """
    draws = np.random.default_rng(seed).standard_normal((samples // 2, 2, units, units), dtype=np.float32)
    draws *= np.sqrt(np.float32(samples / 2) / np.maximum(np.square(draws).sum(0), np.finfo(np.float32).tiny))
    rest = np.zeros((samples % 2, 2, units, units), np.float32)
    return np.concatenate([draws, -draws, rest])


def sigmoid(logits: Float32, temperature: float) -> Float32:
    """Probabilities of logits divided by a temperature above 0; same shape, float32.

    >>> float(sigmoid(np.array([0.0], np.float32), 1.0)[0])
    0.5
    """
    scaled = np.clip(logits / np.float32(temperature), -_LOGIT_LIMIT, _LOGIT_LIMIT)
    return np.asarray(1.0 / (1.0 + np.exp(-scaled)), np.float32)
