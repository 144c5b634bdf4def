"""``mien-train fit au`` and ``export au`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.backends.contract import read_contract
from engine.errors import SourceError
from tests.training.made_units import made_unit_faces
from training import cli
from training.au_commands import read_unit_split
from training.datasets import unit_sources
from training.datasets.unit_faces import UnitFaces
from training.datasets.unit_sources import UnitSource

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


@pytest.fixture(autouse=True)
def _made(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path, cache: Path) -> UnitFaces:
        return made_unit_faces(source=folder.name)

    monkeypatch.setattr(unit_sources, "_READERS", dict.fromkeys(UnitSource, read))


def test_a_model_is_trained_and_exported(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(SETTINGS)
    sets = ["--data", "open=sets/open", "--data", "faces128=sets/faces128"]
    sets += ["--test-fold", "2", "--run", str(tmp_path / "run")]
    threads = ["--threads", "1", "--config", str(tmp_path / "run.toml")]
    fitted = CliRunner().invoke(cli.app, ["fit", "au", *sets, *threads], catch_exceptions=False)
    assert fitted.exit_code == 0, fitted.output
    out = tmp_path / "au.onnx"
    exported = CliRunner().invoke(cli.app, ["export", "au", *sets, "--out", str(out)], catch_exceptions=False)
    assert exported.exit_code == 0, exported.output
    contract = read_contract(out)
    labels, told, fold = contract.data
    assert "not certified FACS coding" in labels
    assert told.startswith("faces128 (")
    assert "), open (" in told
    assert fold == "fold 2 held out for measuring"


def test_sets_and_fold_make_the_split() -> None:
    split = read_unit_split(["open=a", "faces128=b"], 3, Path("cache"))
    assert set(split.test.folds) == {3}
    assert set(split.training.sources) == {"a", "b"}


def test_a_set_without_a_folder_is_refused() -> None:
    with pytest.raises(SourceError, match="NAME=FOLDER"):
        read_unit_split(["open"], 3, Path("cache"))
