"""Contact sheets: people in columns, intensities in rows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import OutputError
from engine.facs import OPEN_UNITS
from tests.training.fakes.head import SIDE_PX, FakeMesh, in_photograph, mesh_points, photograph
from training.open_set import studio as studio_module
from training.open_set.resting_faces import RestingFaces
from training.open_set.sheets import write_sheets
from training.open_set.studio import Studio


@pytest.fixture
def studio(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    pytest.importorskip("embreex")
    monkeypatch.setattr(studio_module, "FaceMesh", FakeMesh)
    return Studio(model_folder)


@pytest.fixture
def resting() -> RestingFaces:
    photographs = np.stack([photograph(brightness) for brightness in (110, 150, 190)])
    points = np.tile(in_photograph(mesh_points()), (3, 1, 1)).astype(np.float32)
    return RestingFaces(
        ("a.png", "b.png", "c.png"),
        photographs,
        points,
        np.array(["A", "B", "C"]),
        np.ones(3, np.int64),
        np.full(3, 128, np.int64),
    )


def test_every_unit_has_a_sheet(resting: RestingFaces, studio: Studio, tmp_path: Path) -> None:
    write_sheets(resting, studio, tmp_path / "sheets", 0, people=1, intensities=(1.0,))
    assert {path.name for path in (tmp_path / "sheets").iterdir()} == {f"AU{unit}.png" for unit in OPEN_UNITS}


def test_people_are_in_columns_and_intensities_in_rows(resting: RestingFaces, studio: Studio, tmp_path: Path) -> None:
    write_sheets(resting, studio, tmp_path, 0, people=2, intensities=(0.0, 1.0), units=(26,))
    sheet = cv2.imread(str(tmp_path / "AU26.png"), cv2.IMREAD_GRAYSCALE)
    heading, margin = sheet.shape[0] - 2 * SIDE_PX, sheet.shape[1] - 2 * SIDE_PX
    assert (sheet[:heading] < 100).any()  # the heading is written
    assert (sheet[heading:, :margin] < 100).any()  # so are the intensities
    still, moved = sheet[heading : heading + SIDE_PX, margin:], sheet[heading + SIDE_PX :, margin:]
    assert len({int(still[35, x]) for x in (64, 64 + SIDE_PX)}) == 2  # two people
    change = np.abs(still.astype(int) - moved)
    assert change[:50].max() <= 1  # the brow stays
    assert change[80:].max() > 30  # the mouth opens


def test_path_that_cannot_be_written_is_reported(resting: RestingFaces, studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "AU26.png").mkdir()
    with pytest.raises(OutputError, match=r"AU26.png cannot be written"):
        write_sheets(resting, studio, tmp_path, 0, units=(26,))
