"""The action-unit commands of ``mien-train``: the arguments they pass on, and a run from training to figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from engine.backends.contract import read_contract
from engine.errors import SourceError
from engine.facs import OPEN_UNITS
from tests.training.fakes.action_unit_reports import fake_fer_faces
from tests.training.fakes.action_units import fake_unit_faces
from training import CONFIGS
from training.action_units.features import ActionUnitsConfig
from training.action_units.pseudo_labels import ThresholdsConfig
from training.cli import evaluate, fit, make_au, report, study
from training.cli import main as cli
from training.cli.options import echo, read_unit_split
from training.data import action_unit_sources as unit_sources
from training.data.action_unit_faces import UnitFaces
from training.data.action_unit_sources import UnitSource
from training.data.fer2013 import FerFaces
from training.evaluation import action_units_file as units_file
from training.studies.action_units import StudyConfig

SETTINGS = """
views = 1
[model]
stem = 4
widths = [4, 8]
blocks = [1, 1]
graph_width = 8
projection = 4
[stage1]
epochs = 1
batch_size = 16
[stage2]
epochs = 1
batch_size = 16
"""
SETS = ["--data", "open=sets/open", "--data", "faces128=sets/faces128"]


@pytest.fixture(autouse=True)
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path, int]]:
    """Fake readers; the value lists folder, cache and number of workers of each call."""
    asked: list[tuple[Path, Path, int]] = []

    def reader(folder: Path, cache: Path, workers: int, report: Callable[[str], None]) -> UnitFaces:
        asked.append((folder, cache, workers))
        report(f"{folder.name} is read")
        return fake_unit_faces(source=folder.name, units=OPEN_UNITS)

    monkeypatch.setattr(unit_sources, "_READERS", dict.fromkeys(UnitSource, reader))
    return asked


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of threads that commands set; torch keeps its settings, which hold for the whole process."""
    asked: list[int] = []
    for module in (fit, evaluate, study):
        monkeypatch.setattr(module, "configure_torch", asked.append)
    return asked


def _run(*arguments: str | Path) -> str:
    """Output of a command; its error is raised."""
    found = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def _recorded(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, gives: object = None
) -> list[tuple[Any, ...]]:
    """Replace a function that a command calls by a recorder of its arguments."""
    calls: list[tuple[Any, ...]] = []

    def call(*arguments: object) -> object:
        calls.append(arguments)
        return gives

    monkeypatch.setattr(module, name, call)
    return calls


def test_evaluate_passes_on_what_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: list[tuple[Path, Path, int]], threads: list[int]
) -> None:
    calls = _recorded(monkeypatch, evaluate, "measure_file")
    given = ["--test-fold", "3", "--fer", "fer", "--split", "PrivateTest", "--cache", "kept", "--threads", "4"]
    output = _run("evaluate", "au", "au.onnx", *SETS, *given, "--workers", "7", "--out", "report")
    ((model, faces, *others),) = calls
    assert model == Path("au.onnx")
    assert set(faces.sources) == {"open", "faces128"}
    assert others == [3, Path("report"), Path("fer"), "PrivateTest", Path("kept"), 4, echo]
    assert threads == [4]
    assert read == [(Path("sets") / name, Path("kept"), 7) for name in ("open", "faces128")]
    assert "faces128 is read" in output  # progress of the readers


def test_evaluate_reads_publictest_and_no_ferplus_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _recorded(monkeypatch, evaluate, "measure_file")
    _run("evaluate", "au", "au.onnx", *SETS, "--out", "report")
    assert calls[0][2:] == (1, Path("report"), None, "PublicTest", Path("runs/cache"), 1, echo)


def test_study_takes_parts_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: list[tuple[Path, Path, int]], threads: list[int]
) -> None:
    (tmp_path / "study.toml").write_text(SETTINGS)
    calls = _recorded(monkeypatch, study, "study_units", gives={})
    parts = ["--fold", "2", "--fold", "3", "--share", "0.1", "--flip", "0.2", "--threads", "3", "--device", "cuda"]
    _run(
        "study", "au", *SETS, *parts, "--config", tmp_path / "study.toml", "--run", "run", "--out", tmp_path / "report"
    )
    ((faces, config, *others),) = calls
    assert set(faces.sources) == {"open", "faces128"}
    assert (config.views, config.model.widths) == (1, (4, 8))
    plan = StudyConfig(folds=(2, 3), shares=(0.1,), flips=(0.2,))
    assert others == [Path("run"), plan, torch.device("cuda"), echo, None]
    assert (tmp_path / "report" / "report.json").is_file()
    assert threads == [3]
    assert read[0] == (Path("sets/open"), Path("run/cache"), 2)


def test_study_on_a_frozen_trunk_computes_its_maps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = _recorded(monkeypatch, study, "study_units", gives={})
    maps = _recorded(monkeypatch, study, "TrunkMaps", gives=SimpleNamespace(sha256="abc"))
    _run("study", "au", *SETS, "--trunk", "dlib.npz", "--steps", "1600", "--run", "run", "--out", tmp_path)
    assert (maps[0][0], maps[0][3]) == (Path("dlib.npz"), Path("run/cache"))
    assert calls[0][3] == StudyConfig(steps=1600)
    assert calls[0][6].trunk == "abc"


def test_study_is_whole_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = _recorded(monkeypatch, study, "study_units", gives={})
    _run("study", "au", *SETS, "--run", "run", "--out", tmp_path)
    assert calls[0][3:] == (StudyConfig(), torch.device("cpu"), echo, None)
    assert isinstance(calls[0][1], ActionUnitsConfig)


def test_figures_are_collected_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    collected = _recorded(monkeypatch, report, "action_unit_figures", gives=("figures",))
    written = _recorded(monkeypatch, report, "write_figures")
    assert "wrote out.json" in _run("figures", "au", "report.json", "--out", "out.json")
    _run("figures", "au", "report.json", "--reference", "clips.json", "--growth", "growth.json")
    path = Path("report.json")
    assert collected == [(path, None, None), (path, Path("clips.json"), Path("growth.json"))]
    assert [out for _, out in written] == [Path("out.json"), Path("docs/results/action_units.json")]
    assert all(figures == ("figures",) for figures, _ in written)


def test_a_card_is_written_with_and_without_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _recorded(monkeypatch, report, "write_action_units_card")
    _run("card", "au", "card.md", "report.json", "--study", "study.json", "--growth", "growth.json")
    assert "wrote card.md" in _run("card", "au", "card.md", "report.json")
    others = (report.CardReports(study=Path("study.json"), growth=Path("growth.json")), report.CardReports())
    assert calls == [(Path("card.md"), Path("report.json"), given) for given in others]


def test_make_au_renders_forty_thousand_images_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("embreex")
    from training.open_set import make

    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(make, "make_au", lambda *arguments: calls.append(arguments))
    folders = ["--faces128", "faces", "--ict", "ict", "--out", "open"]
    _run("make-au", *folders)
    _run("make-au", *folders, "--pictures", "9", "--seed", "5", "--workers", "3", "--fer", "fer")
    _run("make-au", *folders, "--pictures", "0", "--sequences", "540", "--fold", "1")
    places = (Path("faces"), Path("ict"), Path("open"))
    assert calls == [
        (*places, make.MakeAuConfig(pictures=40_000, seed=0), 2, echo, None),
        (*places, make.MakeAuConfig(pictures=9, seed=5), 3, echo, Path("fer")),
        (*places, make.MakeAuConfig(pictures=0, sequences=540, fold=1), 2, echo, None),
    ]


def test_choose_thresholds_writes_the_shipped_files_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _recorded(monkeypatch, make_au, "choose_thresholds")
    folders = ["--open", "open", "--faces128", "faces", "--landmarker", "bundle.task"]
    files = ["--out", "units.toml", "--report", "units.json", "--pictures", "7", "--cache", "kept"]
    _run("choose-thresholds", *folders)
    _run("choose-thresholds", *folders, *files)
    places = (Path("open"), Path("faces"), Path("bundle.task"))
    shipped = (CONFIGS / "pseudo_units.toml", Path("docs/results/reports/pseudo_units.json"), Path("runs/cache"))
    assert calls == [
        (*places, *shipped, ThresholdsConfig(6000), echo),
        (*places, Path("units.toml"), Path("units.json"), Path("kept"), ThresholdsConfig(7), echo),
    ]


def test_from_training_to_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: list[int]) -> None:
    splits: list[str] = []

    def ferplus(folder: Path, split: str, cache: Path, side_px: int) -> FerFaces:
        splits.append(split)
        return fake_fer_faces()

    monkeypatch.setattr(evaluate, "read_faces", ferplus)
    monkeypatch.setattr(units_file, "TIMED_RUNS", 2)
    (tmp_path / "run.toml").write_text(SETTINGS)
    data = [*SETS, "--test-fold", "2", "--run", tmp_path / "run"]
    _run("fit", "au", *data, "--threads", "3", "--config", tmp_path / "run.toml")
    model = tmp_path / "au.onnx"
    _run("export", "au", *data, "--out", model)
    labels, sets, fold = read_contract(model).data
    assert "not certified FACS coding" in labels
    assert sets.startswith("faces128 (")
    assert "), open (" in sets
    assert fold == "fold 2 held out for measuring"

    with pytest.raises(ValueError, match=r"held out fold 2 .* people of fold 1: give --test-fold 2"):
        _run("evaluate", "au", model, *SETS, "--test-fold", "1", "--out", tmp_path / "seen")
    assert not (tmp_path / "seen").exists()
    private = ["--fer", "fer", "--split", "PrivateTest", "--out", tmp_path / "report"]
    _run("evaluate", "au", model, *SETS, "--test-fold", "2", *private)
    assert splits == ["PrivateTest"]
    assert threads == [3, 1, 1]  # fit and both evaluations
    report = tmp_path / "report" / "report.json"
    _run("figures", "au", report, "--out", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert len(figures) == 11
    assert all("--test-fold 2 --fer FER --split PrivateTest" in figure["command"] for figure in figures)
    report.write_text(report.read_text().replace('"PrivateTest"', '"PublicTest"'))
    with pytest.raises(ValueError, match="is of PublicTest of FERPlus: evaluate with --split PrivateTest"):
        _run("figures", "au", report, "--out", tmp_path / "refused.json")
    assert not (tmp_path / "refused.json").exists()


def test_sets_and_fold_make_the_split() -> None:
    split = read_unit_split(["open=a", "faces128=b"], 3, Path("cache"))
    assert set(split.test.folds) == {3}
    assert set(split.training.sources) == {"a", "b"}


def test_a_set_without_a_folder_is_refused() -> None:
    with pytest.raises(SourceError, match="NAME=FOLDER"):
        read_unit_split(["open"], 3, Path("cache"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--fer", "fer"], "--fer needs --labeller"),
        (["--fer", "fer", "--start", "trunk.npz"], "--fer needs --labeller"),
        (["--labeller", "units.onnx"], "give both, or neither"),
    ],
)
def test_weak_labels_need_faces_and_a_model_that_labels_them(options: list[str], reason: str) -> None:
    found = CliRunner().invoke(cli.app, ["fit", "au", "--data", "open=set", "--run", "run", *options])
    assert found.exit_code == 2
    assert reason in " ".join(found.output.replace("│", " ").split())
