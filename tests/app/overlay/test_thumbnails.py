"""Pictures of faces: around the box, at the edge, and none for a box outside."""

from __future__ import annotations

import numpy as np

from app.overlay.thumbnails import face_thumbnails
from app.session.rows import FaceRow


def row(face_id: int | None, x: float, size: float = 40.0) -> FaceRow:
    return FaceRow(0, None, 0.0, "accept", 1.0, face_id, x, 30.0, size, size)


def test_each_face_has_the_picture_of_its_box() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[30:70, 20:60] = (200, 10, 10)
    found = face_thumbnails(image, [row(1, 20.0), row(2, 100.0), row(None, 50.0)], 24)
    assert set(found) == {1, 2}
    assert found[1].shape == (24, 24, 3)
    assert found[1][12, 12].tolist() == [200, 10, 10]
    assert not found[2].any()


def test_a_box_at_the_edge_is_cut_and_one_outside_has_no_picture() -> None:
    image = np.full((120, 160, 3), 9, np.uint8)
    found = face_thumbnails(image, [row(1, -20.0), row(2, 400.0)], 16)
    assert set(found) == {1}
    assert (found[1] == 9).all()
