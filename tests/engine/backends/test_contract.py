"""The form of a contract: what is read back is what was written, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.backends.contract import AUCalibration, contract_path, read_contract, write_contract
from engine.errors import ContractError, EngineError

ModelMaker = Callable[..., Path]


def edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON of a model's contract in place."""
    path = contract_path(model)
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def test_what_is_written_is_read_back(expression_model: ModelMaker, action_unit_model: ModelMaker) -> None:
    for model in (expression_model(), action_unit_model()):
        first = read_contract(model)
        text = contract_path(model).read_text()
        write_contract(first, model)
        assert read_contract(model) == first
        assert contract_path(model).read_text() == text


def test_each_task_has_its_calibration(action_unit_model: ModelMaker) -> None:
    calibration = read_contract(action_unit_model(samples=5, seed=3)).calibration
    assert isinstance(calibration, AUCalibration)
    assert (calibration.mask_samples, calibration.mask_seed) == (5, 3)
    assert calibration.thresholds == (0.5,) * 12


def test_a_contract_says_of_each_unit_whether_it_is_trusted(action_unit_model: ModelMaker) -> None:
    calibration = read_contract(action_unit_model(units=(1, 9, 12, 43), trusted=(1, 12))).calibration
    assert isinstance(calibration, AUCalibration)
    assert calibration.trusted == (True, False, True, False)


def test_a_contract_that_does_not_say_which_units_are_trusted_is_refused(action_unit_model: ModelMaker) -> None:
    model = action_unit_model()
    edit(model, lambda raw: raw["calibration"].pop("trusted"))
    with pytest.raises(ContractError, match=r"lacks the field 'trusted' \(restore it.*or export the model again\)"):
        read_contract(model)


@pytest.mark.parametrize("value", [1, "true", None, 0.5])
def test_trusted_is_true_or_false_and_nothing_else(action_unit_model: ModelMaker, value: object) -> None:
    model = action_unit_model()
    edit(model, lambda raw: raw["calibration"]["trusted"].__setitem__(0, value))
    with pytest.raises(ContractError, match=r"trusted must be bool, not"):
        read_contract(model)


def test_whole_number_is_read_as_float(expression_model: ModelMaker) -> None:
    model = expression_model()
    edit(model, lambda raw: raw["calibration"].update(temperature=2))
    temperature = read_contract(model).calibration.temperature
    assert (type(temperature), temperature) == (float, 2.0)


def test_missing_contract_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"expression\.json is missing"):
        read_contract(tmp_path / "expression.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.pop("licence"), "lacks the field 'licence'"),
        (lambda raw: raw.update(author="me"), "has unknown field 'author'"),
        (lambda raw: raw["crop"].pop("std"), "CropSpec lacks the field 'std'"),
        (lambda raw: raw["crop"].update(side_px="48"), "CropSpec.side_px must be int, not str"),
        (lambda raw: raw["crop"].update(side_px=True), "CropSpec.side_px must be int, not bool"),
        (lambda raw: raw["calibration"].update(temperature=float("nan")), "temperature must be finite, not nan"),
        (lambda raw: raw["calibration"].update(temperature=10**400), "does not hold a valid contract"),
        (lambda raw: raw.update(schema=2), "has schema 2, this version reads 1"),
        (lambda raw: raw.update(task="age"), "has task 'age', expected one of expression, action_units"),
        (lambda raw: raw.update(task=["expression"]), "has task"),
        (lambda raw: raw.update(task="action_units"), "AUCalibration"),
        (lambda raw: raw.update(labels="neutral"), "labels must be a list, not str"),
        (lambda raw: raw.update(inputs={}), "inputs must be a list, not dict"),
        (lambda raw: raw["inputs"][0].update(shape=["N", 1.5]), "shape must be int or str, not float"),
    ],
)
def test_wrong_field_is_named(expression_model: ModelMaker, change: Callable[[Any], object], message: str) -> None:
    model = expression_model()
    edit(model, change)
    with pytest.raises(ContractError, match=message) as caught:
        read_contract(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "[" * 100_000, "\ud800", "caf\xe9"])
def test_file_that_is_no_contract(expression_model: ModelMaker, text: str) -> None:
    model = expression_model()
    contract_path(model).write_bytes(text.encode("latin-1" if text == "caf\xe9" else "utf-8", "surrogatepass"))
    with pytest.raises(ContractError):
        read_contract(model)


def test_contract_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    with pytest.raises(ContractError, match="cannot be read"):
        read_contract(tmp_path / "model.onnx")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_contract_never_gives_another_error(expression_model: ModelMaker, data: st.DataObject) -> None:
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
