"""Reading a strip: which face, which averages, and the real thing on a short clip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from engine.backends.contract import ExpressionCalibration
from engine.capture.opening import open_source
from engine.config import RoutingConfig
from engine.errors import ContractError, SourceError
from engine.facs import EXPRESSIONS
from engine.model_files import MODELS_FOLDER, model_path
from engine.routing import Router
from engine.types import (
    Decision,
    ExpressionEstimate,
    FaceQuality,
    Frame,
    QualityReason,
    Reason,
    Route,
    Uncertainty,
)
from tests.training.fake_expression_report import made_strip
from training.reports import strip_chart
from training.reports.strip_chart import read_strip

CALIBRATION = ExpressionCalibration(1.0, 5.0, 5.0, 0.05, (0.0, 1.0), "nothing")


def test_averages_are_those_of_the_router() -> None:
    strip = made_strip(badly=(0, 1, 20, 21, 22))
    averaged = strip.averaged(strip.shares)
    router = Router(CALIBRATION, RoutingConfig(smoothing_s=strip.smoothing_s))
    for row, now_s in enumerate(strip.time_s):
        well = bool(strip.seen_well[row])
        shares = strip.shares[row].astype(np.float32)
        quality = FaceQuality(1.0, () if well else (QualityReason.DARK,))
        estimate = ExpressionEstimate(shares[None], shares)
        decision = router.route(1, estimate, Uncertainty(0.3, 0.3, 0.0, 0.0), quality, float(now_s))
        for label, share in zip(decision.labels, decision.shares, strict=True):
            assert averaged[row, EXPRESSIONS.index(label)] == pytest.approx(share, abs=1e-6)


def test_frames_on_which_the_face_is_seen_badly_add_nothing() -> None:
    strip = made_strip(badly=(20, 21))
    averaged = strip.averaged(strip.aleatoric)
    assert averaged[21] == averaged[20] == averaged[19]


class ScriptedPipeline:
    """Gives face 1 on the first three frames, face 2 on all from the second on."""

    def process(self, frame: Frame) -> SimpleNamespace:
        seen = [number for number in (1, 2) if (frame.index < 3 if number == 1 else frame.index >= 1)]
        return SimpleNamespace(faces=[self._face(number, frame.index) for number in seen])

    def _face(self, number: int, index: int) -> SimpleNamespace:
        probabilities = np.full(len(EXPRESSIONS), number / 100, np.float32)
        reasons = (QualityReason.DARK,) if index == 4 else ()
        crop = np.full((96, 96), index, np.uint8)
        return SimpleNamespace(
            track=SimpleNamespace(track_id=number),
            expression=SimpleNamespace(probabilities=probabilities),
            uncertainty=SimpleNamespace(aleatoric=0.1 * index, epistemic=0.01 * index),
            aligned=SimpleNamespace(crop=crop, quality=SimpleNamespace(reasons=reasons)),
            decision=Decision(Route.REJECT, Reason.LOW_QUALITY),
        )


class EmptyPipeline:
    def process(self, frame: Frame) -> SimpleNamespace:
        return SimpleNamespace(faces=[])


def script(monkeypatch: pytest.MonkeyPatch, pipeline: object) -> None:
    @contextlib.contextmanager
    def opened(*_: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(pipeline=pipeline, calibration=CALIBRATION, name="scripted")

    @contextlib.contextmanager
    def source(spec: str) -> Iterator[SimpleNamespace]:
        pictures = iter(
            [Frame(np.zeros((4, 4, 3), np.uint8), index, index / 10, spec) for index in range(8)],
        )
        yield SimpleNamespace(read=lambda: next(pictures, None))

    monkeypatch.setattr(strip_chart, "_pipeline", opened)
    monkeypatch.setattr(strip_chart, "open_source", source)


def test_the_face_that_is_seen_longest_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, ScriptedPipeline())
    strip = read_strip(Path("clips/two.mp4"), Path("model.onnx"))
    assert (strip.clip, strip.model, strip.frames, strip.faces) == ("two.mp4", "scripted", 8, 2)
    assert strip.time_s == pytest.approx(np.arange(1, 8) / 10)
    assert strip.shares == pytest.approx(np.full((7, 8), 2 / 100))
    assert strip.aleatoric == pytest.approx(0.1 * np.arange(1, 8))
    assert strip.seen_well.tolist() == [True, True, True, False, True, True, True]
    assert [picture.time_s for picture in strip.pictures] == pytest.approx([0.1, 0.4, 0.7])
    assert [int(picture.crop[0, 0]) for picture in strip.pictures] == [1, 4, 7]


def test_a_clip_without_a_face_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, EmptyPipeline())
    with pytest.raises(SourceError, match=r"wall\.mp4 shows no face in 8 frames"):
        read_strip(Path("wall.mp4"), Path("model.onnx"))


def test_a_model_for_another_task_is_refused(face_models: None) -> None:
    with pytest.raises(ContractError, match="not for expression"):
        read_strip(Path("demo"), MODELS_FOLDER / "action_units.onnx")


def test_the_sad_beginning_of_a_real_clip(shared: Path, face_models: None, tmp_path: Path) -> None:
    """Frames 60 to 75 of the clip on which a woman looks sad first and happy later."""
    clip = tmp_path / "short.mp4"
    with (
        open_source(str(shared / "media" / "pyfeat_mit" / "WolfgangLanger_Pexels.mp4")) as source,
        av.open(str(clip), "w") as file,
    ):
        source.skip_to(60)
        stream = file.add_stream("libx264", rate=24, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for _ in range(16):
            frame = source.read()
            assert frame is not None
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        file.mux(stream.encode())
    strip = read_strip(clip, model_path("expression"))
    assert (strip.frames, strip.faces) == (16, 1)
    assert len(strip.time_s) == len(strip.decisions) >= 10
    assert EXPRESSIONS[int(strip.averaged(strip.shares)[-1].argmax())] == "sadness"
    assert strip.shares.sum(1) == pytest.approx(np.ones(len(strip.shares)))
    assert all(label != "happiness" for decision in strip.decisions for label in decision.labels[:1])
