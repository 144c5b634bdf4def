"""The contract file: round trip, required fields, and the error for everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.backends.contract import (
    ActionUnitContract,
    ExpressionContract,
    contract_path,
    read_contract,
    write_contract,
)
from engine.errors import ContractError, EngineError

ModelMaker = Callable[..., Path]


def edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON of a model's contract in place."""
    path = contract_path(model)
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def test_a_written_contract_is_read_back(expression_model: ModelMaker, action_unit_model: ModelMaker) -> None:
    for model in (expression_model(), action_unit_model()):
        first = read_contract(model)
        text = contract_path(model).read_text()
        write_contract(first, model)
        assert read_contract(model) == first
        assert contract_path(model).read_text() == text


def test_each_task_has_its_calibration(expression_model: ModelMaker, action_unit_model: ModelMaker) -> None:
    assert isinstance(read_contract(expression_model()), ExpressionContract)
    contract = read_contract(action_unit_model(samples=5, seed=3))
    assert isinstance(contract, ActionUnitContract)
    calibration = contract.calibration
    assert (calibration.mask_samples, calibration.mask_seed) == (5, 3)
    assert calibration.thresholds == (0.5,) * 12


def test_every_unit_is_trusted_or_not(action_unit_model: ModelMaker) -> None:
    contract = read_contract(action_unit_model(units=(1, 9, 12, 43), trusted=(1, 12)))
    assert contract.calibration.trusted == (True, False, True, False)


def test_a_contract_without_trusted_units_is_refused(action_unit_model: ModelMaker) -> None:
    model = action_unit_model()
    edit(model, lambda raw: raw["calibration"].pop("trusted"))
    with pytest.raises(
        ContractError, match=r"calibration\.trusted is missing \(restore it.*or export the model again\)"
    ):
        read_contract(model)


@pytest.mark.parametrize("value", [1, "true", None, 0.5])
def test_trusted_must_be_true_or_false(action_unit_model: ModelMaker, value: object) -> None:
    model = action_unit_model()
    edit(model, lambda raw: raw["calibration"]["trusted"].__setitem__(0, value))
    with pytest.raises(ContractError, match=r"trusted\[0\] must be true or false, not"):
        read_contract(model)


def test_a_whole_number_is_read_as_float(expression_model: ModelMaker) -> None:
    model = expression_model()
    edit(model, lambda raw: raw["calibration"].update(temperature=2))
    temperature = read_contract(model).calibration.temperature
    assert (type(temperature), temperature) == (float, 2.0)


def test_a_missing_contract_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"expression\.json is missing"):
        read_contract(tmp_path / "expression.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("licence"), "licence is missing"),
        (lambda raw: raw.update(author="me"), "unknown key 'author'"),
        (lambda raw: raw["crop"].pop("std"), r"crop\.std is missing"),
        (lambda raw: raw["crop"].update(side_px="48"), r"crop\.side_px must be a whole number, not '48'"),
        (lambda raw: raw["crop"].update(side_px=True), r"crop\.side_px must be a whole number, not true"),
        (lambda raw: raw["calibration"].update(temperature=float("nan")), "not valid JSON .NaN is not a finite number"),
        (lambda raw: raw["calibration"].update(temperature=10**400), r"calibration\.temperature must be finite"),
        (lambda raw: raw.update(schema=1), "has schema 1, this version reads 2: restore it from the model's release"),
        (lambda raw: raw.update(task="age"), "has task 'age', expected one of expression, action_units"),
        (lambda raw: raw.update(task=["expression"]), "has task"),
        (lambda raw: raw.update(task="action_units"), r"unknown key 'calibration\."),
        (lambda raw: raw.update(labels="neutral"), "labels must be a list, not 'neutral'"),
        (lambda raw: raw.update(inputs={}), "inputs must be a list, not an object"),
        (
            lambda raw: raw["inputs"][0].update(shape=["N", 1.5]),
            r"inputs\[0\]\.shape\[1\] must be a whole number or text, not 1.5",
        ),
    ],
)
def test_a_wrong_field_is_named(expression_model: ModelMaker, change: Callable[[Any], object], message: str) -> None:
    model = expression_model()
    edit(model, change)
    with pytest.raises(ContractError, match=message) as caught:
        read_contract(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "[" * 100_000, "\ud800", "caf\xe9"])
def test_a_file_that_is_not_a_contract_is_refused(expression_model: ModelMaker, text: str) -> None:
    model = expression_model()
    contract_path(model).write_bytes(text.encode("latin-1" if text == "caf\xe9" else "utf-8", "surrogatepass"))
    with pytest.raises(ContractError):
        read_contract(model)


def test_a_folder_in_place_of_the_contract_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    with pytest.raises(ContractError, match="cannot be read"):
        read_contract(tmp_path / "model.onnx")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_contract_never_raises_another_error(expression_model: ModelMaker, data: st.DataObject) -> None:
    model = expression_model()
    path = contract_path(model)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] = data.draw(st.integers(0, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    try:
        outcome = read_contract(model).task
    except EngineError as error:
        outcome = str(error)
    assert "\n" not in outcome
