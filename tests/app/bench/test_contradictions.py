"""Rows that contradict themselves are counted, whatever session they come from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from app.bench.contradictions import Contradictions, count_contradictions
from app.session.folder import SessionFolder
from engine.types import Decision, FaceResult, Reason, Route, SteadyEstimate, Uncertainty
from tests.fakes.faces import fake_face, fake_frame, fake_result, fake_steady
from tests.fakes.sessions import fake_header, write_journal


def decided(labels: tuple[str, ...], steady: SteadyEstimate | None) -> FaceResult:
    route, reason = (Route.ACCEPT, Reason.CLEAR) if len(labels) == 1 else (Route.AMBIGUOUS, Reason.COMPETING_LABELS)
    decision = Decision(route, reason, labels, (0.3,) * len(labels), steady)
    return dataclasses.replace(fake_face(), decision=decision)


def test_each_kind_of_contradiction_is_counted(tmp_path: Path) -> None:
    folder = SessionFolder(tmp_path)
    happy, over = fake_steady(("happiness",), (0.8,)), Uncertainty(1.4, 1.3, 0.1, 0.2)
    faces = [
        decided(("happiness",), happy),
        decided(("anger",), happy),  # the steady top label is missing
        decided(("anger", "happiness"), happy),
        decided(("happiness",), dataclasses.replace(happy, uncertainty=over)),  # accepted over the limit of 1.2
        decided(("happiness",), None),  # no steady estimate: both cannot be checked
        fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), ()),
    ]
    results = [fake_result(fake_frame(index), face) for index, face in enumerate(faces)]
    write_journal(folder.journal, fake_header(), [*results, fake_result(fake_frame(len(faces)))])
    assert count_contradictions(folder) == Contradictions(
        rows=6, labelled=5, accepted=4, without_steady_top=2, without_frame_top=1, accepted_over_limit=2
    )
