"""Use of the mediapipe package, which is replaced by a fake."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import EngineError
from engine.tracking.mediapipe_tasks import CLOSED_PROXY
from training.action_units.blendshapes import open_landmarker


class _FakeLandmarker:
    """Finds a face in bright images only."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.closed = False

    def detect(self, image: SimpleNamespace) -> SimpleNamespace:
        self.seen.append(image.data)
        shapes = [SimpleNamespace(category_name="jawOpen", score=np.float32(0.123456))]
        return SimpleNamespace(face_blendshapes=[shapes] if image.data.max() > 100 else [])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def landmarker(monkeypatch: pytest.MonkeyPatch) -> _FakeLandmarker:
    fake = _FakeLandmarker()
    monkeypatch.setenv("https_proxy", "")  # restored after the test

    def create(options: SimpleNamespace) -> _FakeLandmarker:
        if Path(options.base_options.model_asset_path).read_bytes() != b"model":
            raise RuntimeError("no zip file")
        return fake

    package = SimpleNamespace(Image=SimpleNamespace, ImageFormat=SimpleNamespace(SRGB=1))
    vision = SimpleNamespace(
        FaceLandmarkerOptions=SimpleNamespace, FaceLandmarker=SimpleNamespace(create_from_options=create)
    )
    monkeypatch.setitem(sys.modules, "mediapipe", package)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python.vision", vision)
    base = SimpleNamespace(BaseOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python.core.base_options", base)
    return fake


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(b"model")
    return path


def test_scores_are_named_and_rounded_and_the_package_cannot_reach_the_network(
    landmarker: _FakeLandmarker, model: Path
) -> None:
    with open_landmarker(model) as read:
        assert os.environ["https_proxy"] == CLOSED_PROXY
        assert read(np.full((128, 128), 200, np.uint8)) == {"jawOpen": 0.1235}
        assert not landmarker.closed
    assert landmarker.closed


def test_image_is_passed_as_rgb_within_a_black_border(landmarker: _FakeLandmarker, model: Path) -> None:
    with open_landmarker(model) as read:
        read(np.full((128, 128), 200, np.uint8))
    (seen,) = landmarker.seen
    assert seen.shape == (128 + 2 * 32, 128 + 2 * 32, 3)
    assert seen[:32].max() == 0
    assert (seen[32:-32, 32:-32] == 200).all()


def test_image_without_a_face_has_no_scores(landmarker: _FakeLandmarker, model: Path) -> None:
    with open_landmarker(model) as read:
        assert read(np.zeros((128, 128), np.uint8)) is None


def test_landmarker_is_closed_after_an_exception(landmarker: _FakeLandmarker, model: Path) -> None:
    with pytest.raises(KeyError), open_landmarker(model):
        raise KeyError
    assert landmarker.closed


def test_missing_package_is_reported_with_its_version(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv("https_proxy", "")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with (
        pytest.raises(EngineError, match=r"'mediapipe': pip install mediapipe==1\.2\.2 \(it includes no model"),
        open_landmarker(model),
    ):
        pass


def test_missing_model_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.task is missing"), open_landmarker(tmp_path / "absent.task"):
        pass


@pytest.mark.usefixtures("landmarker")
def test_unreadable_model_file_is_reported(model: Path) -> None:
    model.write_bytes(b"text")
    with pytest.raises(EngineError, match=r"cannot be opened \(no zip file\)"), open_landmarker(model):
        pass
