"""Running a network file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import FaceModelError
from engine.tracking.face_models import MESH, face_model_path
from engine.tracking.litert import LiteRTNetwork


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "not.tflite"
    path.write_bytes(b"these are not the weights you are looking for")
    with pytest.raises(FaceModelError, match=r"not\.tflite is no network.*mien prepare"):
        LiteRTNetwork(path)


@pytest.mark.usefixtures("face_models")
def test_scale_and_shift_reach_the_network() -> None:
    network = LiteRTNetwork(face_model_path(MESH))
    grey = np.full((network.side, network.side, 3), 100, np.uint8)
    straight = network.run(grey, 0.5, 10.0)
    other_way = network.run(grey + np.uint8(20), 0.5, 0.0)  # 100 * .5 + 10 = 120 * .5
    assert [output.dtype for output in straight] == [np.float32, np.float32]
    for one, other in zip(straight, other_way, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("face_models")
def test_outputs_stay_when_the_network_runs_again() -> None:
    network = LiteRTNetwork(face_model_path(MESH))
    picture = np.zeros((network.side, network.side, 3), np.uint8)
    first = network.run(picture, 1 / 255, 0.0)[0]
    kept = first.copy()
    network.run(picture + np.uint8(200), 1 / 255, 0.0)
    np.testing.assert_array_equal(first, kept)
