"""Images that are one face each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.config import TrackingConfig
from engine.tracking.crops import CropTracker
from engine.tracking.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from engine.types import Frame, TrackState


@pytest.fixture(scope="module")
def tracker(face_models) -> CropTracker:
    return CropTracker(TrackingConfig())


@pytest.fixture(scope="module")
def portraits(shared):
    """Every 200th portrait of the set: RGB images, and the points (468, 2) of its authors as shares of the side."""
    path = shared / "data" / "lfw" / "faces128.npz"
    if not path.is_file():
        pytest.skip("needs data/lfw/faces128.npz")
    with np.load(path) as data:
        places = range(0, len(data["offsets"]) - 1, 200)
        blob, offsets = data["jpeg_blob"], data["offsets"]
        images = [cv2.imdecode(blob[offsets[place] : offsets[place + 1]], cv2.IMREAD_COLOR_RGB) for place in places]
        points = data["landmarks"][list(places), :468].astype(np.float32)
    return images, points


def faces_in(tracker: CropTracker, image):
    return tracker.track(Frame(np.ascontiguousarray(image), 0, 0.0, "crops"))


def test_every_portrait_is_found_where_it_is(tracker, portraits) -> None:
    images, points = portraits
    errors = []
    for image, wanted in zip(images, points, strict=True):
        (face,) = faces_in(tracker, image)
        assert face.state is TrackState.CONFIRMED
        eyes = face.mesh[LEFT_EYE_OUTER, :2] - face.mesh[RIGHT_EYE_OUTER, :2]
        distance = np.linalg.norm(face.mesh[:, :2] - wanted * image.shape[0], axis=1).mean()
        errors.append(float(distance / np.linalg.norm(eyes)))
    assert len(errors) >= 50
    assert np.median(errors) < 0.05
    assert max(errors) < 0.2


@pytest.mark.parametrize("room", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_border_does_not_matter(tracker, portraits, room: float, level: int) -> None:
    images, _ = portraits
    found = 0
    for image in images[:20]:
        border = round(room * image.shape[0])
        padded = cv2.copyMakeBorder(image, *[border] * 4, cv2.BORDER_CONSTANT, value=[level] * 3)
        found += len(faces_in(tracker, padded))
    assert found == 20


def test_images_without_a_face_have_none(tracker) -> None:
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (128, 128, 3), np.uint8)
    blocks = np.kron(random.integers(0, 256, (8, 8, 1), np.uint8), np.ones((16, 16, 3), np.uint8))
    for image in (noise, blocks, np.zeros((64, 200, 3), np.uint8), np.full((1, 1, 3), 99, np.uint8)):
        assert faces_in(tracker, image) == ()


def test_nothing_goes_from_image_to_image(tracker, portraits) -> None:
    images, _ = portraits
    (first,) = faces_in(tracker, images[0])
    faces_in(tracker, images[1])
    tracker.restore(tracker.snapshot())
    (again,) = faces_in(tracker, images[0])
    assert np.array_equal(first.mesh, again.mesh)
