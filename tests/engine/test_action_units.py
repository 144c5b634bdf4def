"""Action-unit estimates from small real networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.action_units import ActionUnitEstimator, noise_bank, sigmoid
from engine.backends.base import InferenceBackend
from engine.backends.contract import ModelContract, read_contract
from engine.backends.registry import open_backend
from engine.errors import ContractError, ModelError
from engine.facs import BP4D_UNITS
from engine.types import AlignedFace, Float32

ModelMaker = Callable[..., Path]
FaceMaker = Callable[..., AlignedFace]
LN2 = float(np.log(2))


def open_cpu(model: Path) -> InferenceBackend:
    return open_backend(model, ("onnxruntime",), threads=1)


class SampleBackend:
    """Returns the given logits (S, K) for every face; records the inputs of each run."""

    name = "samples"
    device = "CPU"

    def __init__(self, contract: ModelContract, logits: Float32) -> None:
        self.contract = contract
        self.runs: list[dict[str, Float32]] = []
        self._logits = logits
        self.graded: Float32 | None = None  # (N, K), where the network grades intensity

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        self.runs.append(dict(inputs))
        faces, units = len(inputs["image"]), self._logits.shape[1]
        square = np.zeros((units, units), np.float32)
        masks = np.broadcast_to(square, (faces, units, units))
        logits = np.broadcast_to(self._logits, (faces, *self._logits.shape))
        outputs = {"logits": logits, "mask_mean": masks, "mask_std": masks, "adjacency": square}
        return outputs if self.graded is None else outputs | {"intensity": self.graded}

    def close(self) -> None:
        """Nothing to free."""


def test_known_logits_give_their_occurrence(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    odds = np.array([1, 3, 1 / 3, 9, 1, 1, 1, 1, 1, 1, 1, 1])
    (estimate,) = ActionUnitEstimator(open_cpu(action_unit_model(logits=np.log(odds), spread=0.0))).estimate([face()])
    assert tuple(estimate.codes) == BP4D_UNITS
    np.testing.assert_allclose(estimate.occurrence[:4], [1 / 2, 3 / 4, 1 / 4, 9 / 10], atol=1e-6)
    np.testing.assert_allclose(estimate.occurrence_std, 0, atol=1e-6)
    np.testing.assert_allclose(estimate.epistemic, 0, atol=1e-6)
    np.testing.assert_allclose(estimate.aleatoric[0], LN2, atol=1e-6)
    np.testing.assert_allclose(estimate.aleatoric[1], -(3 / 4 * np.log(3 / 4) + 1 / 4 * np.log(1 / 4)), atol=1e-6)


def test_temperature_divides_the_logits(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    model = action_unit_model(logits=[2 * np.log(3.0)] * 12, spread=0.0, temperature=2.0)
    (estimate,) = ActionUnitEstimator(open_cpu(model)).estimate([face()])
    np.testing.assert_allclose(estimate.occurrence, 3 / 4, atol=1e-6)


def test_samples_that_disagree_are_epistemic(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    contract = read_contract(action_unit_model(units=(1, 12), samples=2))
    logits = np.array([[1000, 0], [-1000, 0]], np.float32)  # AU1: present, then absent; AU12: undecided twice
    (estimate,) = ActionUnitEstimator(SampleBackend(contract, logits)).estimate([face()])
    np.testing.assert_allclose(estimate.occurrence, [1 / 2, 1 / 2], atol=1e-6)
    np.testing.assert_allclose(estimate.occurrence_std, [1 / 2, 0], atol=1e-6)
    np.testing.assert_allclose(estimate.epistemic, [LN2, 0], atol=1e-6)
    np.testing.assert_allclose(estimate.aleatoric, [0, LN2], atol=1e-6)


def test_more_mask_noise_widens_the_occurrence(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    (narrow,) = ActionUnitEstimator(open_cpu(action_unit_model(logits=[0.0] * 12, spread=0.5))).estimate([face()])
    (wide,) = ActionUnitEstimator(open_cpu(action_unit_model(logits=[0.0] * 12, spread=5.0))).estimate([face()])
    assert (wide.occurrence_std > narrow.occurrence_std).all()
    assert (wide.epistemic > narrow.epistemic).all()
    assert (narrow.epistemic > 0).all()


def test_a_batch_gives_the_results_of_its_faces_in_order(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    estimator = ActionUnitEstimator(open_cpu(action_unit_model()))
    faces = [face(seed=1), face(20), face(230)]
    together = estimator.estimate(faces)
    names = ("occurrence", "occurrence_std", "aleatoric", "epistemic", "mask_mean", "mask_std", "adjacency")
    for one, batched in zip(faces, together, strict=True):
        (alone,) = estimator.estimate([one])
        for name in names:
            np.testing.assert_allclose(getattr(batched, name), getattr(alone, name), atol=1e-6, err_msg=name)
    assert not np.allclose(together[1].occurrence, together[2].occurrence)
    assert not np.allclose(together[1].mask_mean, together[2].mask_mean)


def test_a_motionless_face_has_constant_values(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    model = action_unit_model()
    first = ActionUnitEstimator(open_cpu(model))
    (one,), (again,) = first.estimate([face(seed=4)]), first.estimate([face(seed=4)])
    (reopened,) = ActionUnitEstimator(open_cpu(model)).estimate([face(seed=4)])
    np.testing.assert_array_equal(one.occurrence, again.occurrence)
    np.testing.assert_array_equal(one.occurrence, reopened.occurrence)


def test_all_faces_take_one_run_with_the_noise_bank_of_the_contract(
    action_unit_model: ModelMaker, face: FaceMaker
) -> None:
    contract = read_contract(action_unit_model(units=(1, 12, 25), samples=4, seed=9))
    backend = SampleBackend(contract, np.zeros((4, 3), np.float32))
    estimator = ActionUnitEstimator(backend)
    assert estimator.estimate([]) == []
    assert backend.runs == []
    assert [tuple(estimate.codes) for estimate in estimator.estimate([face(), face()])] == [(1, 12, 25)] * 2
    (inputs,) = backend.runs
    assert inputs["image"].shape == (2, 1, 96, 96)
    np.testing.assert_array_equal(inputs["noise"], noise_bank(4, 3, seed=9))


def test_the_noise_bank_depends_only_on_its_seed() -> None:
    np.testing.assert_array_equal(noise_bank(3, 2, seed=1), noise_bank(3, 2, seed=1))
    assert not np.array_equal(noise_bank(3, 2, seed=1), noise_bank(3, 2, seed=2))


@pytest.mark.parametrize("samples", [2, 5, 20])
def test_every_edge_of_the_noise_bank_has_mean_0_and_variance_1(samples: int) -> None:
    bank = noise_bank(samples, 18, seed=0)
    assert bank.shape == (samples, 2, 18, 18)
    assert bank.dtype == np.float32
    np.testing.assert_allclose(bank.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(bank.var(0), 1, atol=1e-5)
    half = bank[: samples // 2]
    np.testing.assert_array_equal(bank[samples // 2 : 2 * (samples // 2)], -half)


def test_a_single_sample_is_the_mask_at_the_mean_of_its_logits() -> None:
    np.testing.assert_array_equal(noise_bank(1, 4, seed=3), np.zeros((1, 2, 4, 4), np.float32))


def test_the_intensity_of_a_network_that_grades_it_is_passed_on(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    contract = read_contract(action_unit_model(units=(1, 12), samples=2))
    backend = SampleBackend(contract, np.zeros((2, 2), np.float32))
    (without,) = ActionUnitEstimator(backend).estimate([face()])
    assert without.intensity is None
    backend.graded = np.array([[1.5, 4.0], [0.0, 2.0]], np.float32)
    first, second = ActionUnitEstimator(backend).estimate([face(), face()])
    np.testing.assert_array_equal(first.intensity, [1.5, 4.0])
    np.testing.assert_array_equal(second.intensity, [0.0, 2.0])


def test_sigmoid_saturates_without_overflow() -> None:
    logits = np.array([-3e38, -200, 0, 200, 3e38], np.float32)
    np.testing.assert_allclose(sigmoid(logits, 1.0), [0, 0, 1 / 2, 1, 1], atol=1e-6)


def test_a_network_for_another_task_is_refused(expression_model: ModelMaker) -> None:
    with pytest.raises(ContractError, match="'tiny expression' is for expression, not for action units"):
        ActionUnitEstimator(open_cpu(expression_model()))


def test_values_that_are_not_finite_are_refused(action_unit_model: ModelMaker, face: FaceMaker) -> None:
    contract = read_contract(action_unit_model(units=(1, 12), samples=2))
    backend = SampleBackend(contract, np.full((2, 2), np.inf, np.float32))
    with pytest.raises(ModelError, match="not finite"):
        ActionUnitEstimator(backend).estimate([face()])
