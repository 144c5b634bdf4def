"""The contact sheet: order, captions, and sheets without removed images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import OutputError
from training.data.keep_list import KeepList
from training.rlps.contact_sheet import caption, write_contact_sheet
from training.rlps.images import ImageSet

COUNT = 30
FACES = ImageSet(
    rows=np.arange(COUNT),
    crops=np.repeat(np.arange(COUNT, dtype=np.uint8)[:, None, None] * 8, 48 * 48, 1).reshape(COUNT, 48, 48),
    targets=np.tile(np.array([[0.7, 0.3]], np.float32), (COUNT, 1)),
    names=("neutral", "happiness"),
)


def fake_list(removed: int) -> KeepList:
    return KeepList(
        rows=FACES.rows,
        keep=np.arange(COUNT) >= removed,
        keep_probability=np.linspace(0.01, 0.9, COUNT).astype(np.float32)[::-1].copy(),
        reward=np.full(COUNT, 0.25, np.float32),
        probabilities=np.tile(np.array([[0.2, 0.8]], np.float32), (COUNT, 1)),
        targets=FACES.targets,
        floored=np.zeros(COUNT, bool),
    )


def test_the_first_image_is_the_removed_one_with_the_lowest_keep_probability(tmp_path: Path) -> None:
    write_contact_sheet(FACES, fake_list(removed=5), tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None
    levels = [int(sheet[34 + 48, 120 * column + 60]) for column in range(5)]
    assert levels == [8 * place for place in (4, 3, 2, 1, 0)]


def test_the_caption_gives_target_prediction_and_scores() -> None:
    assert caption(FACES, fake_list(5), 29) == ("is neutr 0.7 happi 0.3", "looks happi 0.80", "keep 0.01 r 0.25")


@pytest.mark.parametrize("removed", [0, COUNT])
def test_a_sheet_without_removed_or_without_kept_images_is_still_drawn(tmp_path: Path, removed: int) -> None:
    write_contact_sheet(FACES, fake_list(removed), tmp_path / "deep" / "sheet.png")
    assert (tmp_path / "deep" / "sheet.png").is_file()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "sheet.png").mkdir()
    with pytest.raises(OutputError, match=r"sheet\.png cannot be written"):
        write_contact_sheet(FACES, fake_list(5), tmp_path / "sheet.png")
