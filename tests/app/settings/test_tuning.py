"""The measured CPU runtime: how it is chosen, stored, applied and ignored."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import tuning
from app.settings.tuning import (
    SCHEMA,
    TunedFigure,
    Tuning,
    choose,
    describe,
    load_settings,
    measure,
    read_tuning,
    this_machine,
    tuned,
)
from app.system import doctor
from engine.config import EngineConfig
from engine.errors import BackendError
from engine.files import write_text
from engine.records import json_text


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tuning, "cache_folder", lambda: tmp_path)
    return tmp_path / "tuning.json"


def put(path: Path, **changes: object) -> Tuning:
    choice = Tuning(SCHEMA, this_machine(), "openvino", 2, "2026-11-29", (TunedFigure("openvino", 2, 2.0, 8.0),))
    choice = dataclasses.replace(choice, **changes)
    write_text(path, json_text(choice))
    return choice


def figure(backend: str, threads: int, face_ms: float, eight_ms: float, refused: str = "") -> TunedFigure:
    return TunedFigure(backend, threads, face_ms, eight_ms, refused)


def test_the_cost_of_a_face_is_the_mean_of_both_batches() -> None:
    assert figure("onnxruntime", 1, 4.0, 16.0).cost_ms == (4.0 + 16.0 / 8) / 2


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        (figure("openvino", 1, 3.7, 15.0), True),
        (figure("openvino", 1, 3.9, 15.6), False),  # within the noise of a measurement
        (figure("onnxruntime", 2, 3.0, 12.0), False),  # a quarter faster, for a second core
        (figure("onnxruntime", 2, 2.7, 10.8), True),
        (figure("openvino-bf16", 1, 0.0, 0.0, "this CPU has no bfloat16"), False),
    ],
)
def test_another_backend_or_thread_must_be_clearly_faster(other: TunedFigure, chosen: bool) -> None:
    first = figure("onnxruntime", 1, 4.0, 16.0)
    assert (choose([first, other]) is other) is chosen


def test_fewer_threads_win_when_they_are_as_fast() -> None:
    two = figure("onnxruntime", 2, 2.0, 8.0)
    assert choose([figure("onnxruntime", 1, 4.0, 16.0), two, figure("openvino", 1, 1.8, 7.0)]).threads == 1


def test_the_choice_comes_before_onnxruntime_and_after_the_gpu(stored: Path) -> None:
    put(stored)
    config = tuned(EngineConfig())
    assert (config.backends, config.threads) == (("tensorrt", "onnxruntime-cuda", "openvino", "onnxruntime"), 2)
    assert load_settings(None) == config


def test_settings_that_name_a_backend_or_threads_stay(stored: Path) -> None:
    put(stored)
    for config in (EngineConfig(threads=4), EngineConfig(backends=("onnxruntime",))):
        assert tuned(config) is config


@pytest.mark.parametrize("field", ["processor", "cores", "packages", "models"])
def test_a_choice_of_another_machine_is_ignored_and_reported(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    here = this_machine()
    other = {"processor": "other", "cores": here.cores + 1, "packages": {}, "models": {}}[field]
    put(stored, machine=dataclasses.replace(here, **{field: other}))
    assert tuned(EngineConfig()) == EngineConfig()
    check = doctor._tuning()
    assert not check.passed
    assert "run 'mien tune' again" in check.detail


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"schema": 7}'])
def test_a_damaged_choice_counts_as_none(stored: Path, text: str) -> None:
    stored.write_text(text)
    assert read_tuning() is None
    assert tuned(EngineConfig()) == EngineConfig()
    assert "run 'mien tune'" in doctor._tuning().detail


def test_a_choice_of_an_unknown_backend_counts_as_none(stored: Path) -> None:
    put(stored, backend="directml")
    assert read_tuning() is None


def test_the_command_measures_what_is_installed_and_doctor_shows_the_choice(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "_ROUNDS", 1)
    monkeypatch.setattr(tuning, "_RUNS", 1)
    monkeypatch.setattr(tuning, "is_installed", lambda backend: backend == "onnxruntime")
    finished = CliRunner().invoke(app, ["tune"])
    assert finished.exit_code == 0, finished.output
    assert "openvino: not installed" in finished.output
    choice = read_tuning()
    assert choice is not None
    assert {each.backend for each in choice.figures} == {"onnxruntime"}
    assert all(each.face_ms > 0 and each.eight_faces_ms > 0 for each in choice.figures)
    assert describe(choice.figures[0]).startswith("onnxruntime, 1 thread: ")
    assert doctor._tuning().detail.startswith("onnxruntime, ")


def test_a_backend_with_other_numbers_is_measured_out(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_ROUNDS", 1)
    monkeypatch.setattr(tuning, "_RUNS", 1)
    monkeypatch.setattr(tuning, "is_installed", lambda backend: True)
    real = tuning.open_backend

    class Wrong:
        """onnxruntime with other numbers, in the place of openvino."""

        def __init__(self, path: Path) -> None:
            self._real = real(path, ("onnxruntime",), 1)
            self.contract = self._real.contract

        def run(self, inputs: dict[str, object]) -> dict[str, object]:
            return {name: values + 1 for name, values in self._real.run(inputs).items()}  # type: ignore[arg-type]

        def close(self) -> None:
            self._real.close()

    def open_it(path: Path, order: tuple[str, ...], threads: int) -> object:
        if order[0] == "openvino-bf16":
            raise BackendError("this CPU has no bfloat16")
        return Wrong(path) if order[0] == "openvino" else real(path, order, threads)

    monkeypatch.setattr(tuning, "open_backend", open_it)
    lines: list[str] = []
    assert measure(lines.append).backend == "onnxruntime"
    assert "openvino, 1 thread: its numbers differ: logits is off by 1 on average" in "\n".join(lines)
    assert "openvino-bf16, 1 thread: this CPU has no bfloat16" in lines
