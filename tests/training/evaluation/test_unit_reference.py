"""Agreement with the independent reference, on codes whose agreement is known and on a shared clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import SourceError
from tests.training.fakes.action_units import brightness_model
from training.action_units.exported import ExportedActionUnits
from training.evaluation.unit_reference import (
    MEAN_UNITS,
    ReferenceFaces,
    ReferenceReport,
    UnitAgreement,
    agreeing_units,
    compare_with_reference,
    lip_corner_travel,
    read_reference_faces,
    within_group_correlation,
)
from training.metrics.bootstrap import Figure, draw

UNITS = (1, 2, 4, 6, 12, 25, 26)


def faces_of(intensities: np.ndarray, clips: np.ndarray) -> ReferenceFaces:
    crops = np.zeros((len(clips), 96, 96), np.uint8)
    return ReferenceFaces(UNITS, crops, intensities, intensities > 1, clips, intensities[:, UNITS.index(12)])


def test_an_offset_of_a_clip_does_not_count(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    network = ExportedActionUnits(brightness_model(tmp_path, UNITS))
    ours = random.random((60, 7)).astype(np.float32) / 2
    clips = np.repeat(["a", "b", "c"], 20)
    theirs = 3 * ours + np.repeat([0.0, 1.0, 2.0], 20)[:, np.newaxis]
    report = compare_with_reference(network, faces_of(theirs, clips), ours, resamples=50)
    assert (report.clips, report.frames) == (3, 60)
    assert [unit.within_clip_r.value for unit in report.units] == pytest.approx([1.0] * 7)
    assert report.within_clip_r_mean7.value == pytest.approx(1.0)
    against = compare_with_reference(network, faces_of(5 - theirs, clips), ours, resamples=50)
    assert against.within_clip_r_mean7.value == pytest.approx(-1.0)


def test_rates_and_auroc_are_those_of_the_decisions(tmp_path: Path) -> None:
    network = ExportedActionUnits(brightness_model(tmp_path, UNITS))  # every threshold is 0.4
    ours = np.tile(np.array([0.1, 0.5, 0.6, 0.9], np.float32), 5)[:, np.newaxis].repeat(7, 1)
    theirs = np.tile([0.0, 0.0, 2.0, 2.0], 5)[:, np.newaxis].repeat(7, 1)
    (first, *_) = compare_with_reference(network, faces_of(theirs, np.repeat(["a", "b"], 10)), ours, 50).units
    assert (first.rate, first.reference_rate, first.auroc.value) == (0.75, 0.5, 1.0)


def test_units_agree_from_a_correlation_beyond_chance_and_an_auroc_on() -> None:
    def unit(code: str, r: tuple[float, float], auroc: float) -> UnitAgreement:
        return UnitAgreement(code, True, Figure(r[0], r[1], 1.0, 9), Figure(auroc, 0.0, 1.0, 9), 0.1, 0.1)

    units = (
        unit("AU1", (0.21, 0.01), 0.70),
        unit("AU2", (0.19, 0.10), 0.90),  # too weak
        unit("AU4", (0.50, -0.1), 0.90),  # may be chance
        unit("AU12", (0.80, 0.70), 0.69),
    )
    report = ReferenceReport("m", "0", 3, 9, units, Figure(0.4, 0.3, 0.5, 9))
    assert agreeing_units(report) == {1: True, 2: False, 4: False, 12: False}


def test_intensities_are_compared_within_clips_and_a_smile_with_the_corners_of_the_lips(tmp_path: Path) -> None:
    network = ExportedActionUnits(brightness_model(tmp_path, UNITS))
    theirs = np.random.default_rng(0).random((40, 7)) * 5
    clips = np.repeat(["a", "b"], 20)
    graded = (np.exp(theirs) + 100 * (clips == "b")[:, np.newaxis]).astype(np.float32)  # rises with theirs
    ours = (theirs / 5).astype(np.float32)
    report = compare_with_reference(network, faces_of(theirs, clips), ours, 20, graded)
    assert report.lip_corners is not None
    assert report.lip_corners.value == pytest.approx(1.0)
    for unit in report.units:
        assert unit.intensity_r is not None
        assert 0.5 < unit.intensity_r.value < 1.0  # not linear
    without = compare_with_reference(network, faces_of(theirs, clips), ours, 20)
    assert without.lip_corners is None
    assert without.units[0].intensity_r is None


def test_corners_of_the_lips_that_rise_are_nearer_to_the_eyes() -> None:
    mesh = np.zeros((468, 3), np.float32)
    mesh[33, :2], mesh[263, :2], mesh[61, :2], mesh[291, :2] = (0, 0), (100, 0), (20, 80), (80, 80)
    smiling = mesh.copy()
    smiling[61, :2], smiling[291, :2] = (10, 70), (90, 70)
    assert lip_corner_travel(smiling) > lip_corner_travel(mesh)
    assert lip_corner_travel(2 * mesh) == pytest.approx(lip_corner_travel(mesh))


def test_a_unit_that_the_model_lacks_leaves_the_mean_undefined(tmp_path: Path) -> None:
    network = ExportedActionUnits(brightness_model(tmp_path, UNITS[:-1]))
    ours = np.random.default_rng(0).random((20, 6)).astype(np.float32)
    theirs = np.random.default_rng(1).random((20, 7)) * 5
    report = compare_with_reference(network, faces_of(theirs, np.repeat(["a", "b"], 10)), ours, 10)
    assert [unit.unit for unit in report.units] == ["AU1", "AU2", "AU4", "AU6", "AU12", "AU25"]
    assert np.isnan(report.within_clip_r_mean7.value)
    assert MEAN_UNITS == UNITS


def test_a_value_that_never_varies_within_a_clip_has_no_correlation() -> None:
    groups, same = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 4.0, 4.0])
    assert np.isnan(within_group_correlation(draw(2, 0), groups, same, np.arange(4.0))).all()


def test_clips_without_a_reference_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="give a folder of <clip>.csv"):
        read_reference_faces(tmp_path, tmp_path)


def test_a_shared_clip_is_read_where_both_see_the_face(shared: Path, tmp_path: Path) -> None:
    reference, media = shared / "data" / "au_reference", tmp_path / "media"
    clip = shared / "media" / "pyfeat_mit" / "single_face.mp4"
    if not (reference / "single_face.csv").is_file() or not clip.is_file():
        pytest.skip("the shared reference of action units is not on this machine")
    media.mkdir()
    (media / clip.name).symlink_to(clip)
    faces = read_reference_faces(media, reference)
    assert set(faces.clips) == {"single_face"}
    assert len(faces.clips) > 30
    smile = faces.intensities[:, faces.units.index(12)]
    assert smile.max() > smile[:5].mean() + 1  # neutral to smile
    assert faces.crops.shape == (len(faces.clips), 96, 96)
