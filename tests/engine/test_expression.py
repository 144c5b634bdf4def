"""Expression estimates from small real networks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.backends.base import InferenceBackend
from engine.backends.contract import ModelContract, TensorSpec, read_contract
from engine.backends.registry import open_backend
from engine.errors import ContractError, ModelError
from engine.expression import ExpressionEstimator, softmax
from engine.facs import EXPRESSIONS
from engine.types import AlignedFace, Float32

ModelMaker = Callable[..., Path]
FaceMaker = Callable[..., AlignedFace]


def open_cpu(model: Path) -> InferenceBackend:
    return open_backend(model, ("onnxruntime",), threads=1)


class CountingBackend:
    """Returns fixed logits; records the batch size of each run."""

    name = "counting"
    device = "CPU"

    def __init__(self, contract: ModelContract, logits: float = 0.0) -> None:
        self.contract = contract
        self.runs: list[int] = []
        self._logits = logits

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        self.runs.append(len(inputs["image"]))
        return {"logits": np.full((len(inputs["image"]), 5, 8), self._logits, np.float32)}

    def close(self) -> None:
        """Nothing to free."""


class CoverBackend(CountingBackend):
    """Also says what is covered."""

    def __init__(self, contract: ModelContract, covered: tuple[float, float, float]) -> None:
        outputs = (*contract.outputs, TensorSpec("covered", ("batch", 3)))
        super().__init__(dataclasses.replace(contract, outputs=outputs))
        self._covered = np.array(covered, np.float32)

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        return super().run(inputs) | {"covered": np.tile(self._covered, (len(inputs["image"]), 1))}


def test_covered_parts_are_probabilities_that_cross_a_half_at_logit_0(
    expression_model: ModelMaker, face: FaceMaker
) -> None:
    backend = CoverBackend(read_contract(expression_model()), (-50.0, 0.0, math.log(3.0)))
    estimates = ExpressionEstimator(backend).estimate([face(), face()])
    assert backend.runs == [2]
    for estimate in estimates:
        np.testing.assert_allclose(estimate.covered, [0.0, 0.5, 0.75], atol=1e-6)


def test_a_model_that_does_not_say_what_is_covered_leaves_it_unknown(
    expression_model: ModelMaker, face: FaceMaker
) -> None:
    (estimate,) = ExpressionEstimator(open_cpu(expression_model())).estimate([face()])
    assert estimate.covered is None


def test_covered_parts_that_are_not_finite_are_an_error(expression_model: ModelMaker, face: FaceMaker) -> None:
    backend = CoverBackend(read_contract(expression_model()), (0.0, float("nan"), 0.0))
    with pytest.raises(ModelError, match="returned covered that are not finite"):
        ExpressionEstimator(backend).estimate([face()])


def test_known_logits_give_their_softmax(expression_model: ModelMaker, face: FaceMaker) -> None:
    logits = np.log([8.0, 4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    (estimate,) = ExpressionEstimator(open_cpu(expression_model(logits=logits))).estimate([face()])
    assert estimate.members.shape == (5, len(EXPRESSIONS))
    assert (estimate.members.dtype, estimate.probabilities.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(estimate.probabilities, np.array([8, 4, 2, 1, 1, 1, 1, 2]) / 20, atol=1e-6)


def test_probabilities_are_the_mean_of_the_members(expression_model: ModelMaker, face: FaceMaker) -> None:
    logits = np.zeros((2, 8))
    logits[0, 1], logits[1, 4] = 100, 100
    (estimate,) = ExpressionEstimator(open_cpu(expression_model(logits=logits, members=2))).estimate([face()])
    expected = np.zeros(8)
    expected[[1, 4]] = 1 / 2
    np.testing.assert_allclose(estimate.probabilities, expected, atol=1e-6)


def test_temperature_divides_the_logits(expression_model: ModelMaker, face: FaceMaker) -> None:
    logits = np.array([2 * np.log(3.0), 0, *[-1000.0] * 6])
    model = expression_model(logits=logits, temperature=2.0)
    (estimate,) = ExpressionEstimator(open_cpu(model)).estimate([face()])
    np.testing.assert_allclose(estimate.probabilities[:2], [3 / 4, 1 / 4], atol=1e-6)


def test_a_batch_gives_the_results_of_its_faces_in_order(expression_model: ModelMaker, face: FaceMaker) -> None:
    estimator = ExpressionEstimator(open_cpu(expression_model()))
    faces = [face(seed=seed) for seed in range(4)] + [face(20), face(230)]
    together = estimator.estimate(faces)
    for one, batched in zip(faces, together, strict=True):
        (alone,) = estimator.estimate([one])
        np.testing.assert_allclose(batched.members, alone.members, atol=1e-6)
    assert not np.allclose(together[4].probabilities, together[5].probabilities)


def test_the_landmarks_affect_the_estimate(expression_model: ModelMaker, face: FaceMaker) -> None:
    estimator = ExpressionEstimator(open_cpu(expression_model()))
    one = face(128)
    moved = AlignedFace(one.track_id, one.crop, one.landmarks + np.float32(0.3), one.frame_from_crop, one.quality)
    first, second = estimator.estimate([one, moved])
    assert not np.allclose(first.probabilities, second.probabilities)


def test_all_faces_take_one_run_and_no_face_takes_none(expression_model: ModelMaker, face: FaceMaker) -> None:
    backend = CountingBackend(read_contract(expression_model()))
    estimator = ExpressionEstimator(backend)
    assert estimator.estimate([]) == []
    assert backend.runs == []
    assert len(estimator.estimate([face(), face(), face()])) == 3
    assert backend.runs == [3]


def test_a_network_for_another_task_is_refused(action_unit_model: ModelMaker) -> None:
    with pytest.raises(ContractError, match="'tiny action_units' is for action_units, not for expression"):
        ExpressionEstimator(open_cpu(action_unit_model()))


def test_values_that_are_not_finite_are_refused(expression_model: ModelMaker, face: FaceMaker) -> None:
    backend = CountingBackend(read_contract(expression_model()), logits=float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        ExpressionEstimator(backend).estimate([face()])


@given(
    logits=arrays.arrays(np.float32, (3, 8), elements=st.floats(-1e4, 1e4, width=32)),
    temperature=st.floats(0.01, 100),
    shift=st.floats(-1e3, 1e3, width=32),
)
def test_softmax_is_a_distribution_and_ignores_a_shift(logits: Float32, temperature: float, shift: float) -> None:
    probabilities = softmax(logits, temperature)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    top = np.take_along_axis(probabilities, logits.argmax(-1)[:, np.newaxis], -1)
    assert (top == probabilities.max(-1, keepdims=True)).all()
    # The shifted logits are rounded to float32: allow the effect of one rounding step.
    step = float(np.spacing(np.float32(2e4))) / temperature
    np.testing.assert_allclose(
        softmax(logits + np.float32(shift), temperature), probabilities, atol=min(1.0, step + 1e-5)
    )
