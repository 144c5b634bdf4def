"""The second tracker: its bundle, its guard against reporting home, and a missing package."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import TrackingConfig
from engine.errors import EngineError, FaceModelError
from engine.tracking import mediapipe_tasks
from engine.tracking.face_models import DETECTOR, face_model_path
from engine.tracking.mediapipe_tasks import CLOSED_PROXY, MediaPipeTracker, make_bundle
from engine.types import Float32, Frame, TrackState

MeshMaker = Callable[..., Float32]


@pytest.fixture(autouse=True)
def _kept_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the variables that the guard sets back after each test."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")


class FakePackage:
    """Stands for mediapipe where it meets us: finds the faces it is told, and remembers how it was asked."""

    def __init__(self) -> None:
        self.proxy_at_import: str | None = None
        self.options: dict[str, Any] = {}
        self.stamps_ms: list[int] = []
        self.faces: list[Float32] = []
        self.closed = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        landmarker = types.SimpleNamespace(detect_for_video=self._detect, close=self._close)
        vision = types.SimpleNamespace(
            FaceLandmarkerOptions=self._take_options,
            RunningMode=types.SimpleNamespace(VIDEO="video"),
            FaceLandmarker=types.SimpleNamespace(create_from_options=lambda options: landmarker),
        )
        package = types.SimpleNamespace(
            Image=lambda image_format, data: data, ImageFormat=types.SimpleNamespace(SRGB=1)
        )
        base = types.SimpleNamespace(BaseOptions=lambda model_asset_path: model_asset_path)
        modules = {
            "mediapipe": package,
            "mediapipe.tasks.python.vision": vision,
            "mediapipe.tasks.python.core.base_options": base,
        }

        def load(name: str) -> Any:
            if name == "mediapipe":
                self.proxy_at_import = os.environ.get("https_proxy")
            return modules[name]

        monkeypatch.setattr(mediapipe_tasks.importlib, "import_module", load)
        monkeypatch.setattr(mediapipe_tasks, "make_bundle", lambda: Path("bundle.task"))

    def _take_options(self, **options: Any) -> dict[str, Any]:
        self.options = options
        return options

    def _detect(self, image: Any, stamp_ms: int) -> Any:
        self.stamps_ms.append(stamp_ms)
        height, width = image.shape[:2]
        faces = []
        for mesh in self.faces:
            points = mesh / np.array([width, height, width])
            points = np.concatenate([points, np.zeros((10, 3))])  # the points of the irises
            faces.append([types.SimpleNamespace(x=x, y=y, z=z) for x, y, z in points.tolist()])
        return types.SimpleNamespace(face_landmarks=faces)

    def _close(self) -> None:
        self.closed = True


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> FakePackage:
    fake = FakePackage()
    fake.install(monkeypatch)
    return fake


def _frame(time_s: float) -> Frame:
    return Frame(np.zeros((360, 640, 3), np.uint8), 0, time_s, "made up")


def test_the_way_out_is_closed_before_the_package_is_imported(package: FakePackage) -> None:
    MediaPipeTracker(TrackingConfig())
    assert package.proxy_at_import == CLOSED_PROXY


def test_landmarks_come_back_in_pixels_with_our_ids(package: FakePackage, make_mesh: MeshMaker) -> None:
    tracker = MediaPipeTracker(TrackingConfig())
    for index in range(10):
        package.faces = [make_mesh(450 - 3 * index, 180), make_mesh(150 + 3 * index, 180)][:: 1 if index % 2 else -1]
        tracks = tracker.track(_frame(index / 30))
    assert [track.track_id for track in tracks] == [1, 2]
    assert {track.state for track in tracks} == {TrackState.CONFIRMED}
    np.testing.assert_allclose(sorted(float(track.mesh[:, 0].mean()) for track in tracks), [177, 423], atol=0.1)
    np.testing.assert_allclose(tracks[0].mesh[:, 1].mean(), 180, atol=0.1)


def test_stamps_rise_even_when_frames_share_a_millisecond(package: FakePackage) -> None:
    tracker = MediaPipeTracker(TrackingConfig())
    for time_s in (0.0, 0.0002, 0.0004, 0.04):
        tracker.track(_frame(time_s))
    assert package.stamps_ms == [0, 1, 2, 40]


def test_options_follow_the_settings_and_close_stops_the_package(package: FakePackage) -> None:
    tracker = MediaPipeTracker(TrackingConfig(max_faces=3, min_presence=0.7))
    assert package.options["num_faces"] == 3
    assert package.options["min_face_presence_confidence"] == 0.7
    assert package.options["running_mode"] == "video"
    tracker.close()
    assert package.closed


def test_a_restored_tracker_goes_on_with_ids_and_stamps(package: FakePackage, make_mesh: MeshMaker) -> None:
    package.faces = [make_mesh(300, 180)]
    tracker = MediaPipeTracker(TrackingConfig())
    for index in range(8):
        tracker.track(_frame(index / 30))
    other = MediaPipeTracker(TrackingConfig())
    other.restore(tracker.snapshot())
    one, two = tracker.track(_frame(8 / 30))[0], other.track(_frame(8 / 30))[0]
    assert (one.track_id, one.state, one.age_s) == (two.track_id, two.state, two.age_s)
    assert other.snapshot() == tracker.snapshot()


@pytest.mark.parametrize("last_ms", ["12", 1.0, True, None, -2, 10**12, 10**30])
def test_a_damaged_state_is_refused(package: FakePackage, last_ms: object) -> None:
    tracker = MediaPipeTracker(TrackingConfig())
    state = json.loads(tracker.snapshot())
    assert "last_ms" in state
    with pytest.raises(ValueError, match="last_ms"):
        tracker.restore(json.dumps({**state, "last_ms": last_ms}))
    with pytest.raises(ValueError, match="book"):
        tracker.restore(json.dumps({**state, "book": {}}))
    assert tracker.snapshot() == json.dumps(state)


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)  # what an import of a missing package meets
    with pytest.raises(EngineError, match=r"pip install mediapipe==1.2.2"):
        MediaPipeTracker(TrackingConfig())


def test_a_missing_system_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(EngineError, match="libEGL.*install libegl1"):
        MediaPipeTracker(TrackingConfig())


@pytest.mark.usefixtures("face_models")
def test_the_bundle_is_a_stored_zip_of_both_networks_and_always_the_same(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    first = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("face_detector.tflite") == face_model_path(DETECTOR).read_bytes()
        assert len(archive.read("face_landmarks_detector.tflite")) > 1_000_000
    assert make_bundle(tmp_path).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [bundle.name]


@pytest.mark.usefixtures("face_models")
def test_a_full_disk_leaves_no_half_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(FaceModelError, match="No space left on device"):
        make_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []
