"""The usual neutral logits in a model's contract: measured on faces that people called neutral."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.action_units import sigmoid
from engine.backends.contract import ActionUnitContract, read_contract
from engine.facs import EXPRESSIONS
from tests.training.fakes.action_units import brightness_model
from training.action_units.calibration import MIN_NEUTRAL, neutral_logits
from training.action_units.export import add_neutral
from training.data.fer2013 import FerFaces


def _faces(count: int, neutral: int, level: int = 0) -> FerFaces:
    """Faces of which the first are neutral."""
    shares = np.zeros((count, len(EXPRESSIONS)), np.float32)
    shares[:neutral, EXPRESSIONS.index("neutral")] = 1.0
    shares[neutral:, EXPRESSIONS.index("happiness")] = 1.0
    crops = np.full((count, 96, 96), level, np.uint8)
    nothing = np.zeros(count, np.int64)
    return FerFaces(
        nothing,
        crops,
        np.zeros((count, 468, 2), np.float32),
        shares,
        np.zeros((count, 10), np.int64),
        nothing,
        np.ones(count, np.float32),
        np.zeros(count, bool),
    )


def test_the_median_of_neutral_faces_counts_and_no_others() -> None:
    logits = np.full((2 * MIN_NEUTRAL, 1), 4.0, np.float32)
    logits[:MIN_NEUTRAL, 0] = np.linspace(-3, -1, MIN_NEUTRAL)
    found = neutral_logits(sigmoid(logits, 1.0), _faces(2 * MIN_NEUTRAL, MIN_NEUTRAL))
    assert found == pytest.approx([-2.0], abs=0.01)


def test_too_few_neutral_faces_are_refused() -> None:
    occurrence = np.full((MIN_NEUTRAL, 1), 0.5, np.float32)
    with pytest.raises(ValueError, match=f"{MIN_NEUTRAL - 1} faces are neutral"):
        neutral_logits(occurrence, _faces(MIN_NEUTRAL, MIN_NEUTRAL - 1))


def test_they_are_written_into_a_contract_that_had_none(tmp_path: Path) -> None:
    model = brightness_model(tmp_path, (1, 12))
    before = read_contract(model)
    lines: list[str] = []
    add_neutral(model, _faces(MIN_NEUTRAL, MIN_NEUTRAL, level=120), lines.append)
    after = read_contract(model)
    assert isinstance(before, ActionUnitContract)
    assert isinstance(after, ActionUnitContract)
    assert before.calibration.neutral == ()
    assert len(after.calibration.neutral) == 2
    assert after.calibration.thresholds == before.calibration.thresholds
    assert lines[0].startswith("neutral logits: AU1 ")
