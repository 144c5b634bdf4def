"""The records check their fields and are read-only."""

from __future__ import annotations

import numpy as np
import pytest

from engine.types import AlignedFace, Decision, ExpressionEstimate, FaceQuality, Frame, Reason, Route


def test_a_wrong_shape_is_reported_with_the_expected_one() -> None:
    with pytest.raises(ValueError, match=r"Frame.image must be \*x\*x3 uint8, not 4x5 uint8"):
        Frame(np.zeros((4, 5), np.uint8), 0, 0.0, "fake")


def test_a_wrong_dtype_is_reported_with_the_expected_one() -> None:
    with pytest.raises(ValueError, match="uint8, not 4x5x3 float64"):
        Frame(np.zeros((4, 5, 3)), 0, 0.0, "fake")


def test_a_record_is_a_read_only_view_of_the_given_array() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    frame = Frame(image, 0, 0.0, "fake")
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0, 0] = 1
    image[0, 0, 0] = 1
    assert frame.image[0, 0, 0] == 1


def test_a_crop_must_be_square() -> None:
    with pytest.raises(ValueError, match=r"AlignedFace\.crop must be 4x4"):
        AlignedFace(0, np.zeros((4, 5), np.uint8), np.zeros((468, 2), np.float32), np.eye(2, 3), FaceQuality(1.0))


def test_members_and_mean_must_have_the_same_classes() -> None:
    with pytest.raises(ValueError, match="probabilities must be 8"):
        ExpressionEstimate(np.zeros((5, 8), np.float32), np.zeros(7, np.float32))


def test_only_a_rejected_face_has_no_label() -> None:
    with pytest.raises(ValueError, match="cannot carry 1 labels"):
        Decision(Route.REJECT, Reason.LOW_QUALITY, ("fear",), (0.5,))
    with pytest.raises(ValueError, match="cannot carry 0 labels"):
        Decision(Route.ACCEPT, Reason.CLEAR)
    with pytest.raises(ValueError, match="2 labels but 1 shares"):
        Decision(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("fear", "surprise"), (0.5,))
