"""The checks of an opened network against its contract, with a fake backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import check_signature, read_logits, warm_up
from engine.backends.contract import ModelContract, TensorSpec, read_contract
from engine.errors import BackendError, ContractError, ModelError
from engine.types import Float32

WHERE = Path("model.onnx")
IMAGE = TensorSpec("image", ("N", 1, 48, 48))


def test_a_matching_network_passes() -> None:
    check_signature(WHERE, "input", [IMAGE], [IMAGE])
    check_signature(WHERE, "input", [IMAGE], [TensorSpec("image", ("batch", 1, "height", 48))])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "has the inputs , its contract names image"),
        ([TensorSpec("pixels", IMAGE.shape)], "has the inputs pixels"),
        ([IMAGE, TensorSpec("extra", (1,))], "has the inputs extra, image"),
        ([TensorSpec("image", ("N", 1, 48, 48), "float16")], "has input image float16"),
        ([TensorSpec("image", ("N", 3, 48, 48))], "has input image float32"),
        ([TensorSpec("image", (1, 1, 48, 48))], "has input image float32"),
        ([TensorSpec("image", ("N", 1, 48))], "has input image float32"),
    ],
)
def test_a_network_that_differs_from_its_contract_is_refused(found: list[TensorSpec], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_signature(WHERE, "input", [IMAGE], found)


class FakeBackend:
    """Returns what a function makes from the number of faces; records its inputs' shapes."""

    name = "fake"
    device = "CPU"

    def __init__(self, contract: ModelContract, make: Callable[[int], Float32]) -> None:
        self.contract = contract
        self.fed: list[dict[str, tuple[int, ...]]] = []
        self._make = make

    def run(self, inputs: Mapping[str, Float32]) -> dict[str, Float32]:
        self.fed.append({name: array.shape for name, array in inputs.items()})
        return {"logits": self._make(inputs["image"].shape[0])}

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture
def contract(expression_model: Callable[..., Path]) -> ModelContract:
    return read_contract(expression_model(members=5))


def test_warm_up_runs_several_faces_then_one(contract: ModelContract) -> None:
    backend = FakeBackend(contract, lambda n: np.zeros((n, 5, 8), np.float32))
    warm_up(WHERE, backend)
    assert [shapes["image"] for shapes in backend.fed] == [(2, 1, 48, 48), (1, 1, 48, 48)]
    assert [shapes["landmarks"] for shapes in backend.fed] == [(2, 468, 2), (1, 468, 2)]


def test_warm_up_gives_each_free_axis_its_own_length(contract: ModelContract) -> None:
    free = dataclasses.replace(contract, inputs=(IMAGE, TensorSpec("noise", ("S", "N"))))
    backend = FakeBackend(free, lambda n: np.zeros((n, 5, 8), np.float32))
    warm_up(WHERE, backend)
    assert [shapes["noise"] for shapes in backend.fed] == [(3, 2), (1, 1)]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: np.zeros((1, 5, 8), np.float32),  # one face for any number
        lambda n: np.zeros((n, 4, 8), np.float32),
        lambda n: np.zeros((n, 8), np.float32),
        lambda n: np.zeros((n, 5, 8), np.float64),
    ],
)
def test_an_output_that_differs_from_the_contract_is_refused(
    contract: ModelContract, make: Callable[[int], Float32]
) -> None:
    with pytest.raises(ContractError, match=r"model\.onnx returns logits"):
        warm_up(WHERE, FakeBackend(contract, make))


def test_a_network_that_cannot_run_is_a_model_error(contract: ModelContract) -> None:
    def fail(n: int) -> Float32:
        raise BackendError("model.onnx cannot run")

    with pytest.raises(ModelError, match="cannot run"):
        warm_up(WHERE, FakeBackend(contract, fail))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(contract: ModelContract, value: float) -> None:
    logits = np.zeros((1, 5, 8), np.float32)
    assert read_logits({"logits": logits}, contract) is logits
    logits[0, 4, 7] = value
    with pytest.raises(ModelError, match="'tiny expression' returned logits that are not finite"):
        read_logits({"logits": logits}, contract)
