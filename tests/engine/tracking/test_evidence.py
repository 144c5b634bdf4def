"""The rule of evidence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.evidence import LARGE_PX, Evidence, evidence_of, least_evidence
from engine.types import FaceDetection, Float32

shares = st.floats(0, 1)


@given(shares, shares, shares, shares, st.sampled_from(["presence", "check"]))
def test_more_presence_or_a_better_check_is_never_less_evidence(
    a: float, b: float, c: float, more: float, name: str
) -> None:
    evidence = Evidence(a, b, c)
    raised = dataclasses.replace(evidence, **{name: max(more, getattr(evidence, name))})
    assert raised.value >= evidence.value


def test_a_check_whose_points_lie_elsewhere_is_no_evidence_of_this_face() -> None:
    assert Evidence(0.999999, 0.8, 0.05).value >= least_evidence(30)
    assert Evidence(0.999999, 0.8, 0.3).value < least_evidence(300)


@pytest.mark.parametrize(
    ("evidence", "is_face"),
    [
        (Evidence(0.9999999, 0.84, 0.03), True),  # a face of 30 pixels, as half of them are
        (Evidence(0.999995, 0.74, 0.05), True),
        (Evidence(0.9999999, 0.0, math.inf), True),  # a profile
        (Evidence(0.998, 0.74, 0.03), False),  # a robot, blurred
        (Evidence(0.83, 0.85, 0.06), False),  # another
        (Evidence(0.079, 0.52, 0.09), False),  # a drawn cat
        (Evidence(0.01, 0.14, 0.3), False),  # a cloud
        (Evidence(0.1, 0.5, 0.2), False),  # letters
    ],
)
def test_cases_of_the_labelled_set(evidence: Evidence, is_face: bool) -> None:
    assert (evidence.value >= least_evidence(30)) == is_face


def test_a_large_face_needs_less_than_a_small_one() -> None:
    close_up = Evidence(0.99997, 0.66, 0.05)
    assert least_evidence(LARGE_PX) <= close_up.value < least_evidence(LARGE_PX - 1)


def test_the_distance_is_that_of_the_points_in_sizes_of_the_face(make_mesh: Callable[..., Float32]) -> None:
    mesh = make_mesh(300, 200, 100)
    points = np.zeros((6, 2), np.float32)
    points[:4] = mesh[[[33, 133], [362, 263], [1, 1], [13, 14]], :2].mean(1)
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    size = math.sqrt(float(np.prod(high - low)))
    shifted = FaceDetection(np.concatenate([low, high]), points + np.array([0.1 * size, 0], np.float32), 0.7)
    evidence = evidence_of(mesh, 0.9, shifted)
    assert (evidence.presence, evidence.check) == (0.9, 0.7)
    assert evidence.distance == pytest.approx(0.1, abs=1e-4)
    assert evidence_of(mesh, 0.9, None) == Evidence(0.9, 0.0, math.inf)
