"""Opening an engine on small real model files and the face networks, and running frames through it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.contract import read_contract
from engine.backends.model_file import model_path
from engine.config import ActionUnitsConfig, EngineConfig
from engine.engine import Engine
from engine.errors import BackendError, ConfigError, ContractError, ModelError
from engine.types import Frame
from tests.fakes.faces import plain_decision

CONFIG = dataclasses.replace(EngineConfig(), backends=("onnxruntime",), threads=1)


@pytest.fixture
def models(expression_model, action_unit_model, tmp_path):
    """A folder with both models."""
    expression_model()
    action_unit_model()
    return tmp_path


@pytest.fixture
def portrait():
    """An image with one face, as the first frame of a source."""
    image = cv2.imread(str(Path(__file__).parents[2] / "assets" / "demo" / "portrait.jpg"))
    return Frame(np.ascontiguousarray(image[:, :, ::-1]), 0, 0.0, "portrait")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"expression\.onnx is missing"):
        Engine.open(CONFIG, models_folder=tmp_path)


def test_an_unknown_backend_is_named(models):
    with pytest.raises(BackendError, match="abacus"):
        Engine.open(dataclasses.replace(CONFIG, backends=("abacus",)), models_folder=models)


@pytest.mark.usefixtures("face_models")
def test_swapped_models_are_refused(models):
    for suffix in (".onnx", ".json"):
        (models / f"expression{suffix}").rename(models / f"spare{suffix}")
        (models / f"action_units{suffix}").rename(models / f"expression{suffix}")
        (models / f"spare{suffix}").rename(models / f"action_units{suffix}")
    with pytest.raises(ContractError, match="not for expression"):
        Engine.open(CONFIG, models_folder=models)


def test_unrelated_images_need_the_litert_tracker(models):
    with pytest.raises(ConfigError, match="use the litert tracker"):
        Engine.open(CONFIG, models_folder=models, tracker="mediapipe", still=True)


@pytest.mark.usefixtures("face_models")
def test_an_open_engine_describes_its_models(models):
    with Engine.open(CONFIG, models_folder=models) as engine:
        assert engine.expression.calibration.epistemic_quantiles
        assert engine.action_units.calibration.mask_samples > 0
        assert [(model.task, model.sha256) for model in engine.models] == [
            ("expression", engine.expression.sha256),
            ("action_units", engine.action_units.sha256),
        ]
        assert {(model.backend, model.device) for model in engine.models} == {("onnxruntime", "CPU")}
        assert engine.config is CONFIG
        assert engine.tracker == "litert"


@pytest.mark.usefixtures("face_models")
def test_unrelated_images_are_processed_independently(models, portrait):
    with Engine.open(CONFIG, models_folder=models, still=True) as engine:
        first, second = (engine.process(portrait) for _ in range(2))
    assert [face.track.track_id for face in (*first.faces, *second.faces)] == [1, 2]
    face, again = first.faces[0], second.faces[0]
    assert face.expression.members.shape == (5, 8)
    assert face.action_units.occurrence.shape == (12,)
    assert plain_decision(face.decision) == plain_decision(again.decision)


def face_counts(engine, portrait, frames=15):
    times = [index / 25 for index in range(frames)]
    stream = [dataclasses.replace(portrait, index=index, timestamp_s=time_s) for index, time_s in enumerate(times)]
    return [len(engine.process(frame).faces) for frame in stream]


@pytest.mark.usefixtures("face_models")
def test_a_face_in_a_stream_is_returned_once_it_is_confirmed(models, portrait):
    with Engine.open(CONFIG, models_folder=models) as engine:
        counts = face_counts(engine, portrait)
    assert counts[0] == 0
    assert counts[-1] == 1
    assert counts == sorted(counts)


@pytest.mark.usefixtures("face_models")
def test_a_reset_engine_starts_as_a_new_one(models, portrait):
    with Engine.open(CONFIG, models_folder=models) as engine:
        new = engine.snapshot()
        counts = face_counts(engine, portrait)
        assert engine.snapshot() != new
        engine.reset()
        assert engine.snapshot() == new
        assert face_counts(engine, portrait) == counts


@pytest.mark.usefixtures("face_models")
def test_a_restored_engine_continues_with_the_same_results(models, portrait):
    with Engine.open(CONFIG, models_folder=models) as engine:
        face_counts(engine, portrait)
        snapshot = engine.snapshot()
        following = dataclasses.replace(portrait, index=15, timestamp_s=15 / 25)
        expected = engine.process(following).faces[0]
        engine.reset()
        engine.restore(snapshot)
        again = engine.process(following).faces[0]
    assert again.track.track_id == expected.track.track_id
    assert again.track.age_s == expected.track.age_s
    assert again.decision.shares == expected.decision.shares


def test_an_automatic_baseline_needs_a_model_that_says_what_is_usual(models):
    config = EngineConfig(action_units=ActionUnitsConfig("auto"))
    with pytest.raises(ConfigError, match="has no neutral logits: set it to off"):
        Engine.open(config, models_folder=models)


def test_the_released_model_says_what_is_usual():
    """After `mien-train export au` without FERPlus, run `mien-train export au-neutral`."""
    contract = read_contract(model_path("action_units"))
    assert len(contract.calibration.neutral) == len(contract.labels)
