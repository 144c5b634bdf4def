"""The mesh network with ten points repeated at its end, for mediapipe 1.x."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.tracking.face_models import MESH, face_model_path
from engine.tracking.landmark_padding import padded_network
from engine.tracking.litert import LiteRTNetwork


@pytest.mark.usefixtures("face_models")
def test_the_padded_network_repeats_its_first_ten_points_and_changes_nothing_else(tmp_path: Path) -> None:
    plain = face_model_path(MESH)
    padded = tmp_path / "padded.tflite"
    padded.write_bytes(padded_network(plain.read_bytes()))
    picture = np.random.default_rng(0).integers(0, 256, (192, 192, 3)).astype(np.uint8)
    before = {output.size: output.ravel() for output in LiteRTNetwork(plain).run(picture, 1 / 255, 0.0)}
    after = {output.size: output.ravel() for output in LiteRTNetwork(padded).run(picture, 1 / 255, 0.0)}
    assert sorted(before) == [1, 468 * 3]
    assert sorted(after) == [1, 478 * 3]
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_array_equal(after[478 * 3], np.concatenate([before[468 * 3], before[468 * 3][: 10 * 3]]))


@pytest.mark.usefixtures("face_models")
def test_padding_is_the_same_every_time() -> None:
    network = face_model_path(MESH).read_bytes()
    assert padded_network(network) == padded_network(network)
