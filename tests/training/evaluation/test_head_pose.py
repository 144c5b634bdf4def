"""Head pose against the outside reference: the figures that a release must keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.evaluation.head_pose import compare_head_pose


@pytest.mark.usefixtures("face_models")
def test_pitch_moves_as_far_as_the_reference_and_has_no_bias(shared: Path) -> None:
    reference = shared / "data" / "au_reference"
    if not reference.is_dir():
        pytest.skip("needs the reference poses of the shared clips")
    agreement = compare_head_pose(shared / "media" / "ccby_intel", reference)
    assert agreement.clips >= 9
    assert agreement.pitch.slope >= 0.85
    assert abs(agreement.pitch.bias_deg) < 1.5
    assert agreement.yaw.correlation > 0.9
    assert agreement.roll.correlation > 0.85
    assert max(abs(agreement.yaw.bias_deg), abs(agreement.roll.bias_deg)) < 2
