"""The baseline of a person, measured: people whose looks differ, with neutral frames from which they are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engine.action_units import sigmoid
from training.data.action_unit_faces import UnitFaces
from training.evaluation.unit_baseline import (
    ARMS,
    LIVE,
    OFF,
    QUARTILE,
    REFERENCE,
    WHOLE,
    BaselineFaces,
    BaselineReport,
    compare_arms,
)
from training.evaluation.unit_baseline_people import compare_stills
from training.evaluation.unit_reference import REFERENCE_COLUMNS

_UNITS = [1, 12]
_USUAL = np.array([-3.0, -3.0], np.float32)
#: What each person's look adds to every logit.
_LOOKS = np.array([-2.0, 0.0, 2.0])
_FRAMES = 400


def _clips() -> BaselineFaces:
    """Three people, neutral in the first half and then with both units, 2.5 above their neutral logit."""
    person = np.repeat(np.arange(3), _FRAMES)
    moves = np.tile(np.arange(_FRAMES) >= _FRAMES // 2, 3)
    noise = np.random.default_rng(0).normal(0, 0.1, (len(person), 2))
    logits = (-3.0 + _LOOKS[person] + 2.5 * moves)[:, np.newaxis] + noise
    occurrence = sigmoid(logits.astype(np.float32), 1.0)
    occurs = np.repeat(moves[:, np.newaxis], len(REFERENCE_COLUMNS), axis=1)
    return BaselineFaces(
        occurrence,
        occurrence,
        ~moves,
        person,
        np.array(["abc"[each] for each in person]),
        np.ones(len(person), bool),
        occurs,
        3.0 * occurs,
    )


def _compare(faces: BaselineFaces) -> BaselineReport:
    return compare_arms(faces, _UNITS, [0, 1], np.array([0.3, 0.3]), _USUAL, resamples=20)


def test_a_baseline_makes_people_comparable() -> None:
    report = _compare(_clips())
    assert (report.clips, report.tracks, report.frames) == (3, 3, 3 * _FRAMES)
    arms = {arm.arm: arm for arm in report.arms}
    assert list(arms) == list(ARMS)
    assert arms[OFF].auroc_mean7.value < 0.9
    for arm in (WHOLE, REFERENCE):
        assert arms[arm].tracks == 3
        assert arms[arm].auroc_mean7.value > 0.99
        assert arms[arm].f1_change.value > 0.1
        assert arms[arm].rate_error_change.value < 0
    assert arms[LIVE].auroc_change.value == 0.0  # the fake has none
    off, on = (arms[arm].units[0].within_clip_r.value for arm in (OFF, WHOLE))
    assert on == pytest.approx(off, abs=0.2)


def test_people_who_are_never_neutral_stay_as_they_are() -> None:
    faces = _clips()
    never = dataclasses.replace(faces, neutral=np.zeros_like(faces.neutral))
    arms = {arm.arm: arm for arm in _compare(never).arms}
    assert arms[WHOLE].tracks == 0
    assert arms[WHOLE].auroc_change.value == 0.0
    assert arms[QUARTILE].tracks == 3  # it needs no neutral frames


def _stills(sources: list[str], people: list[str], named: list[str], occurs: list[bool]) -> UnitFaces:
    count = len(people)
    labels = np.repeat(np.array(occurs)[:, np.newaxis], 2, axis=1)
    return UnitFaces(
        (6, 12),
        np.zeros((count, 96, 96), np.uint8),
        labels,
        np.ones((count, 2), bool),
        labels.astype(np.float32),
        np.array(people),
        np.ones(count, np.int64),
        np.array(sources),
        expressions=np.array(named),
    )


def test_stills_use_other_neutral_photographs_of_the_person() -> None:
    people, sources, named, occurs, logits = [], [], [], [], []
    for person, look in zip("abc", _LOOKS, strict=True):
        for name, moves in (("neutral", False), ("neutral", False), ("happiness", True)):
            people.append(person)
            sources.append("faces128")
            named.append(name)
            occurs.append(moves)
            logits.append(-3.0 + look + 2.5 * moves)
        for moves in (False, True):
            people.append(person)
            sources.append("open")
            named.append("")
            occurs.append(moves)
            logits.append(-3.0 + look + 2.5 * moves)
    people += ["d", "d"]  # one neutral photograph, whose own baseline it cannot be
    sources += ["faces128", "open"]
    named += ["neutral", ""]
    occurs += [False, False]
    logits += [5.0, 5.0]
    occurrence = sigmoid(np.array(logits, np.float32), 1.0)[:, np.newaxis].repeat(2, 1)
    faces = _stills(sources, people, named, occurs)
    rendered, photographs = compare_stills(faces, occurrence, _USUAL, np.array([0.3, 0.3]), resamples=20)
    assert (rendered.name, rendered.people, rendered.faces) == ("rendered", 4, 7)
    assert (photographs.people, photographs.faces) == (3, 9)
    for unit in (*rendered.units, *photographs.units):
        assert unit.auroc_on.value > unit.auroc_off.value
    assert rendered.f1_change is not None
    assert photographs.f1_change is None
    with pytest.raises(ValueError, match="no person of the rendered set"):
        compare_stills(
            dataclasses.replace(faces, expressions=np.full(len(people), "")), occurrence, _USUAL, np.ones(2), 5
        )
