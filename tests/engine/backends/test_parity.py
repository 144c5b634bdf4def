"""Every installed backend returns the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.action_units import ActionUnitEstimator
from engine.backends.base import InferenceBackend
from engine.backends.registry import BACKENDS, open_backend
from engine.errors import BackendError
from engine.expression import ExpressionEstimator
from engine.types import AlignedFace

ModelMaker = Callable[..., Path]
FaceMaker = Callable[..., AlignedFace]


@pytest.fixture(params=sorted(set(BACKENDS) - {"onnxruntime", "openvino-bf16"}))
def open_other(request: pytest.FixtureRequest) -> Callable[[Path], InferenceBackend]:
    """Open a model on one backend other than the reference, or skip with the backend's own reason."""

    def open_it(model: Path) -> InferenceBackend:
        try:
            return open_backend(model, (request.param,), threads=1)
        except BackendError as error:
            pytest.skip(str(error))

    return open_it


@pytest.mark.parametrize("faces", [1, 3, 11])
def test_expressions_agree(
    open_other: Callable[[Path], InferenceBackend], expression_model: ModelMaker, face: FaceMaker, faces: int
) -> None:
    model = expression_model()
    batch = [face(seed=seed) for seed in range(faces)]
    other = ExpressionEstimator(open_other(model)).estimate(batch)
    reference = ExpressionEstimator(open_backend(model, ("onnxruntime",), threads=1)).estimate(batch)
    for one, two in zip(other, reference, strict=True):
        np.testing.assert_allclose(one.members, two.members, atol=1e-5)


@pytest.mark.parametrize("faces", [1, 3, 11])
def test_action_units_agree(
    open_other: Callable[[Path], InferenceBackend], action_unit_model: ModelMaker, face: FaceMaker, faces: int
) -> None:
    model = action_unit_model()
    batch = [face(seed=seed) for seed in range(faces)]
    other = ActionUnitEstimator(open_other(model)).estimate(batch)
    reference = ActionUnitEstimator(open_backend(model, ("onnxruntime",), threads=1)).estimate(batch)
    for one, two in zip(other, reference, strict=True):
        for name in ("occurrence", "occurrence_std", "epistemic", "mask_mean", "mask_std", "adjacency"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-5, err_msg=name)


def test_outputs_of_an_earlier_run_are_not_overwritten(
    open_other: Callable[[Path], InferenceBackend], expression_model: ModelMaker
) -> None:
    backend = open_other(expression_model())
    image, landmarks = np.ones((1, 1, 48, 48), np.float32), np.ones((1, 468, 2), np.float32)
    first = backend.run({"image": image, "landmarks": landmarks})["logits"]
    before = first.copy()
    second = backend.run({"image": image * 3, "landmarks": landmarks})["logits"]
    np.testing.assert_array_equal(first, before)
    assert not np.allclose(first, second)


def test_a_wrong_input_is_a_backend_error(
    open_other: Callable[[Path], InferenceBackend], expression_model: ModelMaker
) -> None:
    backend = open_other(expression_model())
    with pytest.raises(BackendError, match="cannot run") as caught:
        backend.run({"image": np.ones((1, 1, 40, 40), np.float32), "landmarks": np.ones((1, 468, 2), np.float32)})
    assert "\n" not in str(caught.value)
    backend.close()
    backend.close()
