"""The shipped models on real input: a smiling portrait in good and poor quality, and images without a face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.model_file import model_path
from engine.backends.registry import open_backend
from engine.capture.synthetic import PASSAGES, SyntheticSource
from engine.config import EngineConfig
from engine.engine import Engine
from engine.expression import ExpressionEstimator
from engine.types import FaceResult, Frame, QualityReason, Reason, Route, UInt8
from engine.uncertainty import decompose

PORTRAIT = Path(__file__).resolve().parents[2] / "assets" / "demo" / "portrait.jpg"


@pytest.fixture(scope="module")
def stills(face_models: None) -> Iterator[Engine]:
    with Engine.open(EngineConfig(backends=("onnxruntime",)), still=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def portrait() -> UInt8:
    return np.asarray(cv2.cvtColor(np.asarray(cv2.imread(str(PORTRAIT))), cv2.COLOR_BGR2RGB), np.uint8)


def only_face(engine: Engine, image: UInt8) -> FaceResult:
    faces = engine.process(Frame(np.ascontiguousarray(image), 0, 0.0, "portrait")).faces
    assert len(faces) == 1
    return faces[0]


def test_a_smile_is_accepted_as_happiness_with_its_units(stills: Engine, portrait: UInt8) -> None:
    face = only_face(stills, portrait)
    assert face.decision.route is Route.ACCEPT
    assert face.decision.labels == ("happiness",)
    occurrence = dict(zip(face.action_units.codes.tolist(), face.action_units.occurrence.tolist(), strict=True))
    assert occurrence[12] > 0.8  # lip corners pulled
    assert occurrence[4] < 0.2  # brows not lowered
    assert occurrence[15] < 0.2  # lip corners not depressed


def test_a_mirrored_face_gets_nearly_the_same_estimate(stills: Engine, portrait: UInt8) -> None:
    straight, mirrored = only_face(stills, portrait), only_face(stills, portrait[:, ::-1])
    assert straight.decision.labels == mirrored.decision.labels
    apart = np.abs(straight.expression.probabilities - mirrored.expression.probabilities)
    assert apart.max() < 0.1
    assert straight.track.pose.yaw_deg == pytest.approx(-mirrored.track.pose.yaw_deg, abs=6)


def test_a_grey_image_gets_nearly_the_estimate_of_the_coloured_one(stills: Engine, portrait: UInt8) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    coloured, plain = only_face(stills, portrait), only_face(stills, np.asarray(grey, np.uint8))
    assert np.abs(coloured.expression.probabilities - plain.expression.probabilities).max() < 0.1


@pytest.mark.parametrize("rows", [slice(0, 48), slice(48, 96)], ids=["upper half", "lower half"])
def test_a_half_covered_face_is_unlike_the_training_data(stills: Engine, portrait: UInt8, rows: slice) -> None:
    aligned = only_face(stills, portrait).aligned
    covered = aligned.crop.copy()
    covered[rows] = 128
    backend = open_backend(model_path("expression"), ["onnxruntime"], threads=1)
    estimator = ExpressionEstimator(backend)
    own, other = estimator.estimate([aligned, replace(aligned, crop=covered)])
    backend.close()
    limit = estimator.contract.calibration.epistemic_limit
    assert float(decompose(own.members).epistemic) < limit < float(decompose(other.members).epistemic)


def test_a_masked_face_is_not_assessed_and_its_mouth_is_named(stills: Engine, portrait: UInt8) -> None:
    bare = only_face(stills, portrait)
    below_nose = [
        234,
        93,
        132,
        58,
        172,
        136,
        150,
        149,
        176,
        148,
        152,
        377,
        400,
        378,
        379,
        365,
        397,
        288,
        361,
        323,
        454,
        4,
    ]
    outline = np.rint(bare.track.mesh[below_nose, :2]).astype(np.int32)
    masked = only_face(stills, np.asarray(cv2.fillPoly(portrait.copy(), [outline], (190, 200, 210)), np.uint8))
    assert bare.decision.covered == ()
    assert masked.decision.reason is Reason.UNLIKE_TRAINING_DATA
    assert masked.decision.covered == (QualityReason.MOUTH_COVERED,)


def test_a_dark_portrait_is_rejected_as_dark(stills: Engine, portrait: UInt8) -> None:
    face = only_face(stills, (portrait * 0.2).astype(np.uint8))
    assert face.decision.route is Route.REJECT
    assert face.decision.reason is Reason.LOW_QUALITY
    assert "dark" in [reason.value for reason in face.aligned.quality.reasons]


def test_an_image_without_a_face_has_none(stills: Engine) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert stills.process(Frame(noise, 0, 0.0, "noise")).faces == ()


def test_the_uncertainties_of_a_real_face_add_up(stills: Engine, portrait: UInt8) -> None:
    uncertainty = only_face(stills, portrait).uncertainty
    assert uncertainty.total == pytest.approx(uncertainty.aleatoric + uncertainty.epistemic, abs=1e-6)
    assert 0 <= uncertainty.ood_score <= 1


def test_the_demo_covers_low_quality_and_recovers(face_models: None) -> None:
    reasons: dict[str, set[str]] = {}
    with Engine.open(EngineConfig(backends=("onnxruntime",))) as engine, SyntheticSource() as source:
        count = source.info.frame_count
        assert count is not None
        for frame in source:
            share = frame.index / count
            names = [passage.name for passage in PASSAGES if passage.begin <= share < passage.end]
            for face in engine.process(frame).faces:
                found = [reason.value for reason in face.aligned.quality.reasons] or [face.decision.route.value]
                for name in names:
                    reasons.setdefault(name, set()).update(found)
    assert "accept" in reasons["plain"]
    assert "dark" in reasons["dark"]
    assert "cut_off" in reasons["cut_off"]
    assert "accept" in reasons["crossing"]
