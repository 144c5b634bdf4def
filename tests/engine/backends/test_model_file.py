"""Model files: where they are found, and every check before a backend opens one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.backends.contract import contract_path, read_contract
from engine.backends.model_file import MAX_BYTES, MODELS_FOLDER, RELEASE_LIST, model_path, read_model
from engine.errors import ContractError, ModelError

ModelMaker = Callable[..., Path]


def edit(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = contract_path(model)
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def rehash(model: Path) -> None:
    """Update the hash in the contract to the file's present content."""
    edit(model, lambda raw: raw.update(sha256=hashlib.sha256(model.read_bytes()).hexdigest()))


def test_the_models_of_the_program_are_found() -> None:
    for task in ("expression", "action_units"):
        assert model_path(task) == MODELS_FOLDER / f"{task}.onnx"


def test_a_given_folder_is_searched_instead(tmp_path: Path) -> None:
    (tmp_path / "expression.onnx").write_bytes(b"a network")
    assert model_path("expression", tmp_path) == tmp_path / "expression.onnx"


def test_a_missing_model_is_named_with_its_path_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"action_units\.onnx is missing: name a folder that holds it"):
        model_path("action_units", tmp_path)


def test_a_model_missing_from_the_program_calls_for_a_new_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.backends.model_file.MODELS_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="install the program again"):
        model_path("expression")


def test_an_unknown_task_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="unknown task 'age': known are expression, action_units"):
        model_path("age")


def test_a_valid_model_is_read(expression_model: ModelMaker, action_unit_model: ModelMaker) -> None:
    for path in (expression_model(), action_unit_model()):
        model = read_model(path)
        assert model.content == path.read_bytes()
        assert model.contract == read_contract(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["crop"].update(template="other"), "crop template 'other', this engine uses 'fer-mean-8'"),
        (lambda raw: raw["crop"].update(colour="rgb"), "crop colour 'rgb'"),
        (lambda raw: raw["crop"].update(side_px=112), "crop side 112 px"),
        (lambda raw: raw["crop"].update(side_px=0), "crop side 0 px"),
        (lambda raw: raw["crop"].update(std=0), "crop std 0.0"),
        (lambda raw: raw["crop"].update(mean=127.5), "crop mean 127.5"),
        (lambda raw: raw["labels"].reverse(), "labels contempt, fear"),
        (lambda raw: raw["calibration"].update(temperature=0), "temperature 0.0"),
        (lambda raw: raw["calibration"].update(epistemic_limit=-0.1), "a limit of -0.1 nats"),
        (lambda raw: raw["calibration"].update(false_rejection=1.5), "false_rejection 1.5"),
        (lambda raw: raw["calibration"].update(epistemic_quantiles=[0.2, 0.1]), "epistemic_quantiles"),
        (lambda raw: raw["calibration"].update(epistemic_quantiles=[0.2]), "epistemic_quantiles"),
        (lambda raw: raw["inputs"].pop(0), "inputs landmarks; this engine needs image, landmarks"),
        (lambda raw: raw["inputs"][0].update(name="pixels"), "inputs landmarks, pixels"),
        (lambda raw: raw["inputs"][0].update(dtype="uint8"), "input image of uint8"),
        (lambda raw: raw["inputs"][0].update(shape=[1, 1, 48, 48]), "input image of shape"),
        (lambda raw: raw["inputs"][0].update(shape=["N", 3, 48, 48]), "input image of shape"),
        (lambda raw: raw["inputs"][1].update(shape=["N", 468]), "input landmarks of shape"),
        (lambda raw: raw["outputs"][0].update(shape=["N", 5, 7]), "output logits of shape"),
        (lambda raw: raw["outputs"][0].update(shape=["N", 5, "C"]), "output logits of shape"),
    ],
)
def test_an_unsupported_expression_contract_is_refused(
    expression_model: ModelMaker, change: Callable[[Any], object], message: str
) -> None:
    model = expression_model()
    edit(model, change)
    with pytest.raises(ContractError, match=message) as caught:
        read_model(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["labels"].__setitem__(0, "AU99"), "unknown action units AU99"),
        (lambda raw: raw["labels"].__setitem__(0, "AU2"), "a label twice"),
        (lambda raw: raw.update(labels=[]), "no labels"),
        (lambda raw: raw["labels"].pop(), "12 thresholds for 11 units"),
        (lambda raw: raw["calibration"]["thresholds"].__setitem__(3, 1.5), "a threshold outside 0-1"),
        (lambda raw: raw["calibration"]["trusted"].pop(), "11 values of trusted for 12 units"),
        (lambda raw: raw["calibration"].update(mask_samples=0), "mask_samples 0"),
        (lambda raw: raw["calibration"].update(mask_seed=-1), "mask_seed -1"),
        (lambda raw: raw["inputs"][1].update(shape=[19, 2, 12, 12]), "input noise of shape"),
        (lambda raw: raw["outputs"][3].update(shape=["N", 12, 12]), "output adjacency of shape"),
    ],
)
def test_an_unsupported_action_unit_contract_is_refused(
    action_unit_model: ModelMaker, change: Callable[[Any], object], message: str
) -> None:
    model = action_unit_model(samples=20)
    edit(model, change)
    with pytest.raises(ContractError, match=message):
        read_model(model)


def test_the_contract_is_checked_before_the_file(expression_model: ModelMaker) -> None:
    model = expression_model()
    edit(model, lambda raw: raw["crop"].update(template="other"))
    model.unlink()
    with pytest.raises(ContractError, match="crop template"):
        read_model(model)


def test_a_missing_file_is_named(expression_model: ModelMaker) -> None:
    model = expression_model()
    model.unlink()
    with pytest.raises(ModelError, match=r"expression\.onnx cannot be read \(No such file"):
        read_model(model)


def test_a_folder_in_place_of_the_file_is_refused(expression_model: ModelMaker) -> None:
    model = expression_model()
    model.unlink()
    model.mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(model)


def test_a_file_over_the_size_limit_is_not_read(expression_model: ModelMaker) -> None:
    model = expression_model()
    with model.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: occupies no disk space
    with pytest.raises(ModelError, match=f"64.0 MiB, the limit is {MAX_BYTES // 2**20}"):
        read_model(model)


def test_the_contract_of_another_file_is_refused(expression_model: ModelMaker) -> None:
    model = expression_model()
    content = model.read_bytes()
    expression_model(logits=[1.0] * 8)
    model.write_bytes(content)
    with pytest.raises(ModelError, match="has sha256"):
        read_model(model)


def test_weights_in_another_file_are_refused(expression_model: ModelMaker) -> None:
    model = expression_model()
    onnx.save(onnx.load(model), model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    rehash(model)
    with pytest.raises(ModelError, match="weights in another file, which no hash covers"):
        read_model(model)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_always_refused(expression_model: ModelMaker, data: st.DataObject) -> None:
    model = expression_model()
    content = bytearray(model.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]
    model.write_bytes(content)
    with pytest.raises(ModelError, match="has sha256"):
        read_model(model)


def test_the_list_of_the_release_is_that_of_its_models() -> None:
    lines = (MODELS_FOLDER / RELEASE_LIST).read_text().splitlines()
    found = {path.name for path in MODELS_FOLDER.iterdir() if path.suffix in (".onnx", ".json")}
    listed = {name: sha256 for sha256, name in (line.split() for line in lines)}
    remedy = "run 'make checksums' and commit the list"
    assert set(listed) == found, remedy
    for name, sha256 in listed.items():
        assert hashlib.sha256((MODELS_FOLDER / name).read_bytes()).hexdigest() == sha256, remedy


@pytest.fixture
def installed(expression_model: ModelMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in the folder of an installed program, with its list."""
    folder = tmp_path / "assets" / "models"
    model = expression_model(folder=folder)
    monkeypatch.setattr("engine.backends.model_file.MODELS_FOLDER", folder)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(folder.iterdir())]
    (folder / RELEASE_LIST).write_text("\n".join(lines) + "\n")
    return model


def test_a_model_on_the_list_is_released_and_others_are_not(installed: Path, expression_model: ModelMaker) -> None:
    assert read_model(installed).released
    assert not read_model(expression_model()).released


@pytest.mark.parametrize("change", ["model", "contract", "list is missing"])
def test_an_installed_model_that_differs_from_the_list_is_refused(installed: Path, change: str) -> None:
    if change == "model":
        model = onnx.load(installed)
        model.doc_string = "changed"
        installed.write_bytes(model.SerializeToString())
        rehash(installed)
    elif change == "contract":
        edit(installed, lambda raw: raw.update(licence="another"))
    else:
        (installed.parent / RELEASE_LIST).unlink()
    with pytest.raises(ModelError, match="install the program again"):
        read_model(installed)
    (installed.parents[2] / ".git").mkdir()
    assert not read_model(installed).released  # in a checkout: tried in a process of its own


def test_a_contract_of_a_gigabyte_is_not_read(expression_model: ModelMaker) -> None:
    model = expression_model()
    with contract_path(model).open("r+b") as file:
        file.truncate(2**30)  # sparse: occupies no disk space
    with pytest.raises(ContractError, match=r"1024\.0 MiB, the limit is 1"):
        read_model(model)


def test_a_mask_of_200000_samples_is_refused(action_unit_model: ModelMaker) -> None:
    model = action_unit_model()
    edit(model, lambda raw: raw["calibration"].update(mask_samples=200_000))
    with pytest.raises(ContractError, match="mask_samples 200000, not 1-1024"):
        read_model(model)
