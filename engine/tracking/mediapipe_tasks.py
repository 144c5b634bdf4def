"""The second tracker: Google's mediapipe package (Tasks API, FaceLandmarker in VIDEO mode) behind the same interface.

It is there for parity tests and for those who trust the vendor's own graph. From 0.10.35 on the package reports to
play.googleapis.com as long as any task object lives (github.com/google-ai-edge/mediapipe, issue 6291); there is no
switch against it. It honours ``https_proxy``, so this module points that variable at a closed port of this machine
before the package is imported: every attempt then fails at once and nothing leaves the machine. The variable stays set
for the whole process, and so holds for every other HTTPS client in it that reads the environment.
"""

from __future__ import annotations

import importlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.config import TrackingConfig
from engine.errors import EngineError, FaceModelError
from engine.records import read_value
from engine.tracking.evidence import Evidence
from engine.tracking.face_models import DETECTOR, MESH, cache_folder, face_model_path
from engine.tracking.landmark_padding import padded_network
from engine.tracking.mesh import roi_from_mesh
from engine.tracking.track_book import MAX_SAVED, Sighting, TrackBook
from engine.types import MESH_POINTS, FaceTrack, Float32, Frame

#: A port on which nothing listens ("discard").
CLOSED_PROXY: Final = "http://127.0.0.1:9"
_BUNDLE_NAME: Final = "face_landmarker.task"
#: Names of the networks inside the bundle, as the Tasks API expects them.
_DETECTOR_MEMBER: Final = "face_detector.tflite"
_LANDMARKS_MEMBER: Final = "face_landmarks_detector.tflite"
#: The package keeps its scores to itself and reports only faces above its thresholds, so every face counts as certain.
_CERTAIN: Final = 1.0
#: Time of a date inside the zip file, so that the same networks always give the same bundle.
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


class MediaPipeTracker:
    """Follows faces with the mediapipe package; ids come from our own association.

    The package tells no presence score, so `FaceTrack.score` is 1.0. As long as fewer faces than ``max_faces`` are in
    sight it detects in every frame and starts each mesh from the detector's square, which takes twice the time and is
    less exact on tilted heads (13 % of the distance between the eyes at 45 degrees, against 1.5 %): set ``max_faces``
    to the number of people.
    """

    def __init__(self, config: TrackingConfig) -> None:
        """Import the package and build its graph.

        Raises:
            EngineError: the package is not installed, or cannot run here.
            FaceModelError: a network is not on this machine.
        """
        self._mediapipe = _import_guarded()
        vision = importlib.import_module("mediapipe.tasks.python.vision")
        base = importlib.import_module("mediapipe.tasks.python.core.base_options")
        options = vision.FaceLandmarkerOptions(
            base_options=base.BaseOptions(model_asset_path=str(make_bundle())),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=config.max_faces,
            min_face_presence_confidence=config.min_presence,
            min_tracking_confidence=config.min_presence,
        )
        try:
            self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"mediapipe cannot start ({error}): use the built-in tracker") from error
        self._book = TrackBook(config)
        self._last_ms = -1

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The faces in sight; see `engine.tracking.tracker.Tracker.track`."""
        self._last_ms = max(round(frame.timestamp_s * 1000), self._last_ms + 1)  # the package wants them to rise
        picture = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame.image)
        )
        found = self._landmarker.detect_for_video(picture, self._last_ms)
        height, width = frame.image.shape[:2]
        meshes = [_mesh_of(landmarks, width, height) for landmarks in found.face_landmarks]
        sightings = [
            Sighting(mesh, roi_from_mesh(mesh), _CERTAIN, _CERTAIN, Evidence(_CERTAIN, _CERTAIN, 0.0).value)
            for mesh in meshes
        ]
        return self._book.update(frame, sightings)

    @property
    def cut(self) -> bool:
        """False: the package keeps its own state, which does not end at cuts."""
        return False

    @property
    def left_out(self) -> int:
        """Faces beyond ``max_faces``: the package does not report them."""
        return self._book.left_out

    def snapshot(self) -> str:
        """Ids and their memory as JSON text. The package's own state cannot be saved: after `restore` it starts with a
        fresh detection, so its landmarks may differ slightly from those of an uninterrupted run."""  # noqa: D205, D209
        return json.dumps({"last_ms": self._last_ms, "book": self._book.snapshot()})

    def restore(self, text: str) -> None:
        """Take the state of `snapshot` back.

        Raises:
            KeyError, TypeError, ValueError: the text is damaged.
        """
        state = json.loads(text)
        last_ms = read_value(int, state["last_ms"], field="last_ms")
        if not -1 <= last_ms < 1000 * MAX_SAVED:
            raise ValueError(f"last_ms {last_ms} is out of range")
        self._book.restore(read_value(str, state["book"], field="book"))
        self._last_ms = last_ms

    def close(self) -> None:
        """Stop the package's threads."""
        self._landmarker.close()


def make_bundle(folder: Path | None = None) -> Path:
    """The ``.task`` bundle that the package reads: our two networks, stored in a zip file.

    The detector is the full-range one of the built-in tracker. The package's usual short-range one misses the face or
    takes the hands for it on five of the eight shared clips of signing people.

    Args:
        folder: where it is kept; the user's cache by default.

    Raises:
        FaceModelError: a network is missing, or the folder cannot be written.
    """
    target = (folder or cache_folder()) / _BUNDLE_NAME
    networks = {
        _DETECTOR_MEMBER: face_model_path(DETECTOR).read_bytes(),
        _LANDMARKS_MEMBER: padded_network(face_model_path(MESH).read_bytes()),
    }
    partial = target.with_suffix(f".{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as bundle:
            for member, network in networks.items():
                bundle.writestr(zipfile.ZipInfo(member, _ZIP_DATE), network)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise FaceModelError(f"cannot write {target}: {error.strerror}; free space or mend its folder") from error
    return target


def _import_guarded() -> Any:
    """The mediapipe module, kept from reporting home.

    Raises:
        EngineError: it is not installed or a system library is missing.
    """
    os.environ["https_proxy"] = CLOSED_PROXY
    try:
        return importlib.import_module("mediapipe")
    except ModuleNotFoundError as error:
        raise EngineError(f"no package {error.name!r} for this tracker: pip install mediapipe==1.2.2") from error
    except OSError as error:
        raise EngineError(f"mediapipe cannot load ({error}): install libegl1 and libgles2 of your system") from error


def _mesh_of(landmarks: Any, width: int, height: int) -> Float32:
    """Mesh (468, 3) in frame pixels from the package's landmarks, 0-1 of the frame; z in the unit of x."""
    points = np.array([(point.x, point.y, point.z) for point in landmarks[:MESH_POINTS]], np.float32)
    return points * np.array([width, height, width], np.float32)
