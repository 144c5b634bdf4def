"""Videos of an export: blurred faces."""

from __future__ import annotations

import numpy as np
import pytest

from app.review.clip import ClipReader
from tests.app.export.conftest import FRAMES


def detail(image) -> float:
    """Mean difference of neighbouring pixels."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_the_video_has_every_face_blurred_and_its_other_parts_unchanged(recorded, write) -> None:
    path = write("blurred", opened=recorded) / "blurred.mp4"
    blurred, original = ClipReader(path), ClipReader(recorded.folder.recording)
    try:
        for position, faces in enumerate(FRAMES):
            image = blurred.image_at(position / 10)
            clean = original.image_at(position / 10)
            face, corner = np.s_[30:100, 40:100], np.s_[105:, 130:]  # of all faces; outside their margins
            assert detail(image[face]) < 0.4 * detail(clean[face])
            share = detail(image[corner]) / detail(clean[corner])
            if not faces:
                assert share < 0.4
            elif position < 15:  # a second before the second face, whose box is held from there
                assert share > 0.8
    finally:
        blurred.close()
        original.close()


def test_the_video_has_no_sound(recorded, write) -> None:
    import av

    with av.open(str(write("blurred", opened=recorded) / "blurred.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_a_session_without_a_clean_video_is_refused(session, write) -> None:
    from engine.errors import OutputError

    with pytest.raises(OutputError, match="Video with blurred faces needs the original video"):
        write("blurred")
    session.folder.video.write_bytes(b"x")
    from app.review.session import open_session

    with open_session(session.folder.path) as annotated, pytest.raises(OutputError, match="needs the original video"):
        write("blurred", opened=annotated)
