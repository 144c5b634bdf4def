"""Expression: class probabilities of aligned faces, one vector per member of the ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.alignment import ImageInput
from engine.backends.base import InferenceBackend, read_logits
from engine.backends.contract import ExpressionContract
from engine.errors import ContractError
from engine.types import AlignedFace, ExpressionEstimate, Float32


class ExpressionEstimator:
    """Estimates expressions with a network of task ``expression``, calibrated by its contract."""

    def __init__(self, backend: InferenceBackend) -> None:
        """Use a backend, which stays open and belongs to the caller.

        Raises:
            ContractError: the network is for another task.
        """
        contract = backend.contract
        if not isinstance(contract, ExpressionContract):
            raise ContractError(
                f"{contract.name!r} is for {contract.task}, not for expression: give the expression model"
            )
        self.contract: ExpressionContract = contract
        self._backend = backend
        self._images = ImageInput(contract.crop)
        self._reads_landmarks = any(spec.name == "landmarks" for spec in contract.inputs)
        self._names_covered = any(spec.name == "covered" for spec in contract.outputs)
        self._temperature = contract.calibration.temperature

    def estimate(self, faces: Sequence[AlignedFace]) -> list[ExpressionEstimate]:
        """Calibrated probabilities of each face, in the order of ``faces``, from one run of the network.

        Raises:
            BackendError, ModelError: the network cannot run, or returns values that are not finite.
        """
        if not faces:
            return []
        inputs = {"image": self._images.batch(faces)}
        if self._reads_landmarks:
            inputs["landmarks"] = np.stack([face.landmarks for face in faces])
        outputs = self._backend.run(inputs)
        every = softmax(read_logits(outputs, self.contract), self._temperature)  # (N, M, C)
        if not self._names_covered:
            return [ExpressionEstimate(members, members.mean(0)) for members in every]
        covered = sigmoid(read_logits(outputs, self.contract, "covered"))  # (N, 3)
        return [
            ExpressionEstimate(members, members.mean(0), parts) for members, parts in zip(every, covered, strict=True)
        ]


def sigmoid(logits: Float32) -> Float32:
    """1 / (1 + exp(-x)) of each value; same shape, float32, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0], np.float32)).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray((1 + np.tanh(logits / 2)) / 2, np.float32)


def softmax(logits: Float32, temperature: float) -> Float32:
    """Probabilities over the last axis of logits divided by a temperature above 0; same shape, float32.

    >>> [round(float(p), 3) for p in softmax(np.array([0.0, np.log(3.0)], np.float32), 1.0)]
    [0.25, 0.75]
    """
    below_top = (logits - logits.max(-1, keepdims=True)) / np.float32(temperature)  # at most 0: exp() cannot overflow
    weights = np.exp(below_top)
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)
