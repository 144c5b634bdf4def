"""OpenFace CSV: the columns, empty instead of zero, and the signs of the head pose."""

from __future__ import annotations

import dataclasses
import math

import pytest

from app.export.openface import INTENSITY_UNITS, PRESENCE_UNITS
from app.review.notes import Notes
from app.review.session import open_session
from engine.facs import OPEN_UNITS
from tests.app.export.conftest import csv_rows
from tests.fakes.faces import fake_face
from tests.fakes.sessions import write_session


@pytest.fixture
def rows(write):
    return csv_rows(write("openface") / "openface.csv")


def test_the_header_is_openfaces_without_the_blocks_that_are_not_stored(write) -> None:
    header = (write("openface") / "openface.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header[:5] == ["frame", "face_id", "timestamp", "confidence", "success"]
    assert header[5:11] == ["pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"]
    intensity, presence = sorted({*INTENSITY_UNITS, *OPEN_UNITS}), sorted({*PRESENCE_UNITS, *OPEN_UNITS})
    assert header[11:] == [f"AU{code:02d}_r" for code in intensity] + [f"AU{code:02d}_c" for code in presence]
    assert {f"AU{code:02d}_r" for code in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)} <= set(header)
    assert "AU28_c" in header


def test_frames_start_at_one_and_values_have_openfaces_digits(rows) -> None:
    first = next(row for row in rows if row["success"] == "1")
    assert (first["frame"], first["face_id"], first["timestamp"], first["confidence"]) == ("6", "1", "0.500", "0.90")
    assert first["AU12_r"] == f"{5 * 0.7:.2f}"
    assert first["AU12_c"] == "1.0"
    assert next(row for row in rows if row["face_id"] == "2")["AU12_c"] == "0.0"


def test_what_was_not_computed_is_empty_and_never_zero(rows) -> None:
    nobody = rows[0]
    assert (nobody["frame"], nobody["success"]) == ("1", "0")
    assert {value for name, value in nobody.items() if name not in ("frame", "timestamp", "success")} == {""}
    rejected = [row for row in rows if row["success"] == "0" and row["face_id"]]
    assert len(rejected) == 10
    for row in rejected:
        assert {value for name, value in row.items() if name.startswith("AU")} == {""}
        assert row["pose_Rx"]
    assert {row["pose_Tx"] for row in rows} == {""}
    assert {row["AU45_r"] for row in rows} == {""}  # a unit that the model does not have


def test_the_head_pose_has_openfaces_axes(rows) -> None:
    """Yaw 10 degrees to the right edge, pitch 5 down, roll 1.5 clockwise.

    OpenFace: x right, y down, z away from the camera, R = Rx Ry Rz; the face looks along -z.
    """
    row = next(row for row in rows if row["success"] == "1")
    angles = [float(row[name]) for name in ("pose_Rx", "pose_Ry", "pose_Rz")]
    assert angles == pytest.approx([math.radians(5.0), math.radians(-10.0), math.radians(1.5)], abs=0.02)
    (sx, sy), (cx, cy) = ([f(angle) for angle in angles[:2]] for f in (math.sin, math.cos))
    looks = (-sy, sx * cy, -cx * cy)  # third column of Rx Ry, negated
    yaw, pitch = math.radians(10.0), math.radians(-5.0)
    assert looks == pytest.approx(
        (math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch)), abs=0.002
    )


def test_units_that_are_not_trusted_are_left_empty_unless_asked_for(session, write) -> None:
    session.header = dataclasses.replace(session.header, au_trusted=(12,))
    few = csv_rows(write("openface") / "openface.csv")
    assert {row["AU06_r"] for row in few} == {""}
    assert any(row["AU12_r"] for row in few)
    every = csv_rows(write("openface", all_units=True, replace=True) / "openface.csv")
    assert any(row["AU06_r"] for row in every)


def test_pandas_reads_missing_values_as_nan(write) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(write("openface") / "openface.csv")
    assert frame["AU12_r"].isna().sum() == 15
    assert frame.loc[frame["success"] == 1, "AU12_r"].notna().all()


def test_the_intensity_is_the_models_own_where_it_grades_units(write, tmp_path) -> None:
    face = fake_face(units=OPEN_UNITS, occurrence=(0.5,) * 18, graded=True)
    write_session(tmp_path / "graded", [(face,)] * 2, au_intensity=True)
    with open_session(tmp_path / "graded") as session:
        row = csv_rows(write("openface", Notes(), session) / "openface.csv")[0]
    assert row["AU12_r"] == "2.00"
