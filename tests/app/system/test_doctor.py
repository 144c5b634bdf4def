"""The checks of the doctor, their remedies, and the report."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from app.system import doctor
from app.system.check import Check
from app.system.doctor import (
    examine,
    report_text,
    show,
)
from engine.backends.contract import AUCalibration, ModelContract
from engine.facs import OPEN_UNITS, unit_code
from tests.fakes.engines import fake_contract


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_installed_packages_pass(tmp_path: Path) -> None:
    checks = by_name(examine(tmp_path))
    for name in ("Python", "numpy", "onnxruntime", "arro3-core", "write access"):
        assert checks[name].passed, checks[name].detail


def test_missing_face_networks_are_fatal_and_have_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    check = by_name(examine(tmp_path))["face network face_landmark.tflite"]
    assert check.is_fatal
    assert "MIEN_MODELS" in check.detail


def test_missing_qt_libraries_are_optional_and_name_their_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "QT_LIBRARIES", {"libnowhere.so.9": "libnowhere9"})
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    check = by_name(examine(tmp_path))["libnowhere.so.9"]
    assert not check.passed
    assert not check.is_fatal
    assert "sudo apt-get install libnowhere9" in check.detail


def test_missing_packages_are_fatal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "REQUIRED_PACKAGES", {"no-such-package": "no_such_module"})
    check = by_name(examine(tmp_path))["no-such-package"]
    assert check.is_fatal
    assert "pip install no-such-package" in check.detail


def test_onnxruntime_gpu_replaces_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def version(name: str) -> str:
        if name == "onnxruntime":
            raise doctor.metadata.PackageNotFoundError(name)
        return "1.31.1"

    monkeypatch.setattr(doctor.metadata, "version", version)
    check = by_name(examine(tmp_path))["onnxruntime"]
    assert (check.passed, check.detail) == (True, "1.31.1 (onnxruntime-gpu)")


def test_a_module_without_its_package_is_fatal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "REQUIRED_PACKAGES", {"no-such-package": "json"})
    check = by_name(examine(tmp_path))["no-such-package"]
    assert check.is_fatal
    assert "run 'pip install no-such-package'" in check.detail


def test_missing_models_are_fatal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("engine.backends.model_file.MODELS_FOLDER", tmp_path)
    checks = by_name(examine(tmp_path))
    assert checks["expression model"].is_fatal
    assert checks["action_units model"].is_fatal


class FakeBackend:
    """A network with nothing but a contract."""

    name = "fake"
    device = "CPU"

    def __init__(self, contract: ModelContract) -> None:
        self.contract = contract
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("trusted", "detail"),
    [((1, 12, 43), "3 of 18 units trusted: AU1, AU12, AU43"), ((), "0 of 18 units trusted: none")],
)
def test_the_trusted_units_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusted: tuple[int, ...], detail: str
) -> None:
    flags = tuple(unit in trusted for unit in OPEN_UNITS)
    calibration = AUCalibration(1.0, (0.5,) * 18, flags, 20, 0, "fake")
    backend = FakeBackend(fake_contract("action_units", tuple(map(unit_code, OPEN_UNITS)), calibration, "a" * 64))
    monkeypatch.setattr(doctor, "open_backend", lambda path, backends, threads: backend)
    found = by_name(examine(tmp_path))["action_units model on onnxruntime"]
    assert found.passed
    assert found.detail == f"fake action_units, sha256 {'a' * 12}..., on fake CPU; {detail}"
    assert backend.closed


def test_a_missing_output_folder_is_checked_at_its_parent(tmp_path: Path) -> None:
    checks = by_name(examine(tmp_path / "a" / "b"))
    assert checks["write access"].detail == str(tmp_path)


def test_the_table_shows_brackets_as_they_are() -> None:
    written = io.StringIO()
    show([Check("window", False, "pip install thing[window]", required=False)], Console(file=written, width=100))
    assert "thing[window]" in written.getvalue()
    assert "optional" in written.getvalue()


def test_the_report_has_one_line_per_check_and_no_user_name() -> None:
    checks = [
        Check("Python", True, "3.11.7"),
        Check("av", False, "run 'pip install av'"),
        Check("openvino", False, "not installed: pip install openvino", required=False),
        Check("write access", True, str(Path.home() / "Mien")),
    ]
    lines = report_text(checks, "0.9").splitlines()
    assert lines[0] == "Mien 0.9"
    assert lines[2:5] == [
        "ok       Python: 3.11.7",
        "missing  av: run 'pip install av'",
        "optional openvino: not installed: pip install openvino",
    ]
    assert lines[5] == f"ok       write access: {Path('~') / 'Mien'}"
