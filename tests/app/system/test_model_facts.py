"""Facts about the models are read from their contracts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.system.model_facts import TASKS, read_model_facts
from engine.backends.model_file import MODELS_FOLDER
from engine.errors import ContractError, ModelError


@pytest.mark.parametrize("task", TASKS)
def test_facts_equal_the_shipped_contract(task: str) -> None:
    raw = json.loads((MODELS_FOLDER / f"{task}.json").read_text())
    facts = read_model_facts(task)
    assert (facts.task, facts.name, facts.sha256) == (task, raw["name"], raw["sha256"])
    assert (list(facts.data), facts.licence, facts.trained) == (raw["data"], raw["licence"], raw["trained"])
    assert facts.fitted_on == raw["calibration"]["fitted_on"]
    assert list(facts.labels) == raw["labels"]


def test_units_have_trust_and_expressions_have_limits() -> None:
    units = json.loads((MODELS_FOLDER / "action_units.json").read_text())
    marks = zip(units["labels"], units["calibration"]["trusted"], strict=True)
    assert read_model_facts("action_units").trusted == tuple(label for label, trusted in marks if trusted)
    assert read_model_facts("action_units").limits is None
    expression = read_model_facts("expression")
    limits = json.loads((MODELS_FOLDER / "expression.json").read_text())["calibration"]
    assert expression.trusted == expression.labels
    assert expression.limits is not None
    assert expression.limits.aleatoric_limit == limits["aleatoric_limit"]
    assert expression.limits.ood_limit == 1.0 - limits["false_rejection"]


def test_the_model_card_is_found_if_installed(tmp_path: Path) -> None:
    assert read_model_facts("expression", cards=tmp_path).card is None
    (tmp_path / "expression.md").write_text("# card")
    assert read_model_facts("expression", cards=tmp_path).card == tmp_path / "expression.md"


def test_a_missing_model_or_contract_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        read_model_facts("expression", tmp_path)
    (tmp_path / "expression.onnx").write_bytes(b"x")
    with pytest.raises(ContractError, match="missing"):
        read_model_facts("expression", tmp_path)
    with pytest.raises(ValueError, match="mood"):
        read_model_facts("mood")
