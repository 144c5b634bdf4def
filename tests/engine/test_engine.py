"""Putting the pipeline together from real (tiny) model files and the face networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.config import EngineConfig
from engine.engine import build_pipeline
from engine.errors import BackendError, ConfigError, ContractError, ModelError
from engine.types import Frame

CONFIG = dataclasses.replace(EngineConfig(), backends=("onnxruntime",), threads=1)


@pytest.fixture
def models(expression_model, action_unit_model, tmp_path):
    """A folder with both models."""
    expression_model()
    action_unit_model()
    return tmp_path


@pytest.fixture
def portrait():
    """A picture with one face, as the first frame of a source."""
    picture = cv2.imread(str(Path(__file__).parents[2] / "assets" / "demo" / "portrait.jpg"))
    image = np.ascontiguousarray(picture[:, :, ::-1])
    return Frame(image, 0, 0.0, "portrait")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"expression\.onnx is missing"):
        build_pipeline(CONFIG, tmp_path)


def test_an_unknown_backend_is_named(models):
    with pytest.raises(BackendError, match="abacus"):
        build_pipeline(dataclasses.replace(CONFIG, backends=("abacus",)), models)


@pytest.mark.usefixtures("face_models")
def test_models_of_each_others_task_are_refused(models):
    for suffix in (".onnx", ".json"):
        (models / f"expression{suffix}").rename(models / f"kept{suffix}")
        (models / f"action_units{suffix}").rename(models / f"expression{suffix}")
        (models / f"kept{suffix}").rename(models / f"action_units{suffix}")
    with pytest.raises(ContractError, match="not for expression"):
        build_pipeline(CONFIG, models)


def test_pictures_that_do_not_follow_each_other_need_the_built_in_tracker(models):
    with pytest.raises(ConfigError, match="use the litert tracker"):
        build_pipeline(CONFIG, models, tracker="mediapipe", still=True)


@pytest.mark.usefixtures("face_models")
def test_a_portrait_gives_one_face_from_end_to_end(models, portrait):
    assembly = build_pipeline(CONFIG, models, still=True)
    first, second = (assembly.pipeline.process(portrait) for _ in range(2))
    assembly.pipeline.close()
    assert assembly.expression.contract.task == "expression"
    assert assembly.action_units.contract.task == "action_units"
    assert [face.track.track_id for face in (*first.faces, *second.faces)] == [1, 2]
    face, again = first.faces[0], second.faces[0]
    assert face.expression.members.shape == (5, 8)
    assert face.action_units.occurrence.shape == (12,)
    assert dataclasses.astuple(face.decision) == dataclasses.astuple(again.decision)  # nothing is averaged


@pytest.mark.usefixtures("face_models")
def test_a_face_in_a_stream_is_shown_once_it_is_confirmed(models, portrait):
    assembly = build_pipeline(CONFIG, models)
    counts = []
    for index in range(15):
        frame = dataclasses.replace(portrait, index=index, timestamp_s=index / 25)
        counts.append(len(assembly.pipeline.process(frame).faces))
    assembly.pipeline.close()
    assert counts[0] == 0
    assert counts[-1] == 1
    assert counts == sorted(counts)
