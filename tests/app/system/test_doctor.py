"""What the doctor finds, and that it tells what to do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from app.system import doctor
from app.system.doctor import Check, examine, show
from engine.backends.contract import AUCalibration, ModelContract
from engine.facs import OPEN_UNITS, unit_code
from tests.fakes.engines import fake_contract


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_this_machine_has_the_packages(tmp_path: Path) -> None:
    checks = by_name(examine(tmp_path))
    for name in ("Python", "numpy", "onnxruntime", "arro3-core", "write access"):
        assert checks[name].good, checks[name].told


def test_missing_face_networks_are_fatal_and_name_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    check = by_name(examine(tmp_path))["face network face_landmark.tflite"]
    assert check.is_fatal
    assert "MIEN_MODELS" in check.told


def test_missing_qt_libraries_are_not_fatal_and_name_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "QT_LIBRARIES", {"libnowhere.so.9": "libnowhere9"})
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    check = by_name(examine(tmp_path))["libnowhere.so.9"]
    assert not check.good
    assert not check.is_fatal
    assert "sudo apt-get install libnowhere9" in check.told


def test_missing_packages_are_fatal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_NEEDED", {"no-such-package": "no_such_module"})
    check = by_name(examine(tmp_path))["no-such-package"]
    assert check.is_fatal
    assert "pip install no-such-package" in check.told


def test_missing_models_are_fatal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.model_files.MODELS_FOLDER", tmp_path)
    checks = by_name(examine(tmp_path))
    assert checks["expression model"].is_fatal
    assert checks["action_units model"].is_fatal


class MadeBackend:
    """A network that can only tell its contract."""

    name = "made"
    device = "CPU"

    def __init__(self, contract: ModelContract) -> None:
        self.contract = contract
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("trusted", "told"), [((1, 12, 43), "3 of 18 units trusted: AU1, AU12, AU43"), ((), "0 of 18 units trusted: none")]
)
def test_the_doctor_says_which_units_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusted: tuple[int, ...], told: str
) -> None:
    flags = tuple(unit in trusted for unit in OPEN_UNITS)
    calibration = AUCalibration(1.0, (0.5,) * 18, flags, 20, 0, "made")
    backend = MadeBackend(fake_contract("action_units", tuple(map(unit_code, OPEN_UNITS)), calibration, "a" * 64))
    monkeypatch.setattr(doctor, "open_backend", lambda path, backends, threads: backend)
    found = by_name(examine(tmp_path))["action_units model on onnxruntime"]
    assert found.good
    assert found.told == f"made action_units, sha256 {'a' * 12}..., on made CPU; {told}"
    assert backend.closed


def test_an_output_folder_that_does_not_exist_yet_is_looked_at_from_above(tmp_path: Path) -> None:
    checks = by_name(examine(tmp_path / "a" / "b"))
    assert checks["write access"].told == str(tmp_path)


def test_the_table_shows_brackets_as_they_are() -> None:
    written = io.StringIO()
    show([Check("window", False, "pip install thing[window]", needed=False)], Console(file=written, width=100))
    assert "thing[window]" in written.getvalue()
    assert "optional" in written.getvalue()
