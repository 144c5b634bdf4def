"""Messages follow the schema, and carry what the rows of a session carry."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time

import numpy as np
import pytest

from app.serve.messages import ClockedSource, FaceMessage, MessageMaker
from app.serve.state import ServiceState, ServiceStatus
from engine.types import BaselineState, FaceQuality, QualityReason, Reason, Route, UnitBaseline
from tests.app.serve.conftest import ROOT, live_frame, maker
from tests.fakes.engines import FakeSource
from tests.fakes.faces import UNITS, fake_face, fake_frame, fake_result

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "mien.face-1.schema.json").read_text(encoding="utf-8"))
RESULTS = {
    "no_face": fake_result(fake_frame()),
    "accept": fake_result(fake_frame(), fake_face()),
    "ambiguous": fake_result(
        fake_frame(), fake_face(Route.AMBIGUOUS, Reason.COMPETING_LABELS, ("happiness", "surprise"), (0.5, 0.4))
    ),
    "reject": fake_result(fake_frame(), fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ())),
    "low_quality": fake_result(
        fake_frame(),
        fake_face(Route.REJECT, Reason.LOW_QUALITY, (), (), quality=FaceQuality(0.2, (QualityReason.DARK,))),
    ),
}


def test_schema_has_the_fields_of_the_records() -> None:
    for kind, record in (("face", FaceMessage), ("status", ServiceStatus)):
        fields = {item.name for item in dataclasses.fields(record)} | {"schema"}
        assert set(SCHEMA["$defs"][kind]["properties"]) == fields == set(SCHEMA["$defs"][kind]["required"])


@pytest.mark.parametrize("decision", RESULTS)
def test_each_decision_follows_the_schema(decision, header, check_message) -> None:
    (message,) = live_frame(header, RESULTS[decision]).messages
    assert check_message(message.json())["decision"] == decision


def test_intensities_are_those_of_the_units_in_the_message(header, check_message) -> None:
    (message,) = live_frame(header, fake_result(fake_frame(), fake_face(graded=True))).messages
    checked = check_message(message.json())
    assert set(checked["au_i"]) == set(checked["au"])
    assert checked["au_i"] == {code: pytest.approx(4 * pair[0], abs=1e-5) for code, pair in checked["au"].items()}
    assert live_frame(header, RESULTS["accept"]).messages[0].au_i == {}


def test_a_known_baseline_is_subtracted_and_named(header, check_message) -> None:
    shift, error, intensity = (np.full(UNITS, value, np.float32) for value in (2.0, 0.0, 1.0))
    face = fake_face(occurrence=(0.5,) * UNITS, graded=True)
    known = dataclasses.replace(face, baseline=UnitBaseline(BaselineState.KNOWN, 90, shift, error, intensity))
    plain, changed = (
        check_message(live_frame(header, fake_result(fake_frame(), each)).messages[0].json()) for each in (face, known)
    )
    assert (plain["au_baseline"], changed["au_baseline"]) == ("none", "known")
    assert plain["au"]["AU12"][0] == 0.5
    assert changed["au"]["AU12"][0] == pytest.approx(1 / (1 + math.exp(2.0)), rel=1e-4)
    assert (plain["au_i"]["AU12"], changed["au_i"]["AU12"]) == (2.0, pytest.approx(5 * 1 / 4, rel=1e-4))
    assert live_frame(header, RESULTS["reject"]).messages[0].au_baseline is None


def test_an_invalid_message_is_refused_by_the_schema(header, check_message) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    (message,) = live_frame(header, RESULTS["reject"]).messages
    with pytest.raises(jsonschema.ValidationError):
        check_message(dataclasses.replace(message, labels=("happiness",)).json())
    with pytest.raises(jsonschema.ValidationError):
        check_message(dataclasses.replace(message, face_id=None).json())


def test_status_follows_the_schema(check_message) -> None:
    status = ServiceStatus(time.time(), "cam0", "rtsp://***@cam/1", ServiceState.LOST, "no route", 2, 1)
    assert check_message(status.json())["state"] == "lost"


def test_an_accepted_face_has_distribution_units_and_both_uncertainties(header) -> None:
    header = dataclasses.replace(header, au_trusted=(1, 2, 12))
    (message,) = live_frame(header, RESULTS["accept"]).messages
    assert message.labels == ("happiness",)
    assert message.confidence == 0.82
    assert sum(message.p.values()) == pytest.approx(1.0, abs=1e-5)
    assert (message.aleatoric, message.epistemic) == (0.4, 0.1)
    assert message.q["happiness"] == message.confidence
    assert sum(message.q.values()) == pytest.approx(1.0, abs=1e-5)
    assert (message.q_aleatoric, message.q_epistemic, message.q_ood) == (0.45, 0.1, 0.25)
    assert set(message.au) == {"AU1", "AU2", "AU12"}  # the trusted ones
    occurrence, deviation = message.au["AU12"]
    assert deviation == pytest.approx(occurrence / 10, rel=1e-4)
    assert message.box == (0.25, 0.25, 0.625, 0.83333)  # 40/160, 30/120, 100/160, 100/120
    assert message.pose_deg == (10.0, -5.0, 1.5)
    assert message.model == f"sha256:{header.model_sha256}"


def test_a_rejected_face_has_no_label_distribution_or_units(header) -> None:
    (message,) = live_frame(header, RESULTS["reject"]).messages
    assert (message.labels, message.p, message.au, message.confidence) == ((), {}, {}, None)
    assert message.reasons == ("unlike_training_data",)
    face = RESULTS["reject"].faces[0]
    covered = dataclasses.replace(face.decision, covered=(QualityReason.EYES_COVERED,))
    named = dataclasses.replace(RESULTS["reject"], faces=(dataclasses.replace(face, decision=covered),))
    (message,) = live_frame(header, named).messages
    assert message.reasons == ("unlike_training_data", "eyes_covered")
    (hidden,) = live_frame(header, RESULTS["low_quality"]).messages
    assert (hidden.aleatoric, hidden.epistemic, hidden.ood) == (None, None, None)
    assert hidden.reasons == ("dark",)


def test_all_units_are_sent_on_request(header) -> None:
    header = dataclasses.replace(header, au_trusted=(1, 2, 12))
    (message,) = maker(header, all_units=True).frame(RESULTS["accept"]).messages
    assert len(message.au) == len(header.au_codes)


def test_ids_of_two_runs_differ_and_are_names(header) -> None:
    first, second = (live_frame(header, RESULTS["accept"]).messages[0].face_id for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(first))


def test_boxes_are_cut_off_at_the_edges(header) -> None:
    result = fake_result(fake_frame(), fake_face(box=(-20.0, -5.0, 170.0, 130.0)))
    assert live_frame(header, result).messages[0].box == (0.0, 0.0, 1.0, 1.0)


def test_time_of_a_message_is_that_of_the_capture(header) -> None:
    (message,) = live_frame(header, RESULTS["accept"]).messages
    assert message.age_ms >= 20.0  # captured 20 ms before
    assert time.time() - message.t >= 0.02


def test_capture_times_follow_the_monotonic_clock() -> None:
    times_s = iter([100.0, 100.25, 100.2])  # frames at 0, 0.1 and 0.2 s arrive at once, 150 ms late, and at once
    with ClockedSource(FakeSource(live=True), now=lambda: next(times_s)) as source:
        frames = [source.read() for _ in range(3)]
        assert [source.captured_s(frame) for frame in frames if frame] == pytest.approx([100.0, 100.1, 100.2])


def test_a_recording_that_stopped_for_a_while_has_later_capture_times() -> None:
    times_s = iter([100.0, 105.1])
    with ClockedSource(FakeSource(live=True), now=lambda: next(times_s)) as source:
        frames = [source.read() for _ in range(2)]
        assert frames[1] is not None
        assert source.captured_s(frames[1]) == pytest.approx(105.1)


def test_capture_times_never_go_back(header) -> None:
    times_s = iter([100.05, 100.03])  # the first frame was handed over late
    make = MessageMaker("cam0", header, "a" * 64, lambda frame: next(times_s))
    assert [make.frame(RESULTS["accept"]).captured_s for _ in range(2)] == [100.05, 100.05]


def test_a_carried_face_follows_the_schema_without_values(header, check_message) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    carried = fake_result(fake_frame(), dataclasses.replace(fake_face(), carried=2))
    (message,) = live_frame(header, carried).messages
    values = check_message(message.json())
    assert (values["carried"], values["p"], values["au"], values["ood"]) == (2, {}, {}, None)
    assert (values["decision"], values["labels"], values["confidence"]) == ("accept", ["happiness"], 0.82)
    with pytest.raises(jsonschema.ValidationError):
        check_message(dataclasses.replace(message, p={"happiness": 0.5}).json())
    with pytest.raises(jsonschema.ValidationError):
        check_message(dataclasses.replace(message, carried=0).json())
