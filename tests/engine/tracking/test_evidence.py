"""The rule of evidence."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tracking.evidence import Evidence

shares = st.floats(0, 1)


@given(shares, shares, shares, shares, st.sampled_from(["score", "presence", "check"]))
def test_more_of_anything_is_never_less_evidence(a: float, b: float, c: float, more: float, name: str) -> None:
    evidence = Evidence(a, b, c)
    raised = dataclasses.replace(evidence, **{name: max(more, getattr(evidence, name))})
    assert raised.value >= evidence.value


@pytest.mark.parametrize(
    ("evidence", "is_face"),
    [
        (Evidence(0.8, 1.0, 0.76), True),  # a close-up, as half of them score
        (Evidence(0.6, 0.99, 0.63), True),  # one in a hundred of them has less
        (Evidence(0.5, 1.0, 0.3), True),  # a profile
        (Evidence(0.53, 0.975, 0.31), False),  # a cartoon of a creature
        (Evidence(0.68, 0.56, 0.68), False),  # the drawn cat that came nearest to a face
        (Evidence(0.61, 0.01, 0.14), False),  # a cloud
        (Evidence(0.74, 0.1, 0.5), False),  # letters
    ],
)
def test_cases_of_the_labelled_set(evidence: Evidence, is_face: bool) -> None:
    assert evidence.is_face == is_face
