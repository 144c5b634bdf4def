"""BIDS: accepted by the validator of BIDS, resampled to a fixed rate, n/a for what was not computed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.review.notes import Marker
from tests.app.export.conftest import NOTES
from tests.fakes.sessions import labelled_face, write_session


@pytest.fixture
def root(write) -> Path:
    return write("bids") / "bids"


def issues(root: Path) -> list[tuple[str, str]]:
    """Severity and code of everything that BIDS' own validator reports."""
    if find_spec("bids_validator_deno") is None or shutil.which("bids-validator-deno", path=_scripts()) is None:
        pytest.skip("needs bids-validator-deno")
    command = [shutil.which("bids-validator-deno", path=_scripts()) or "", "--json", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [(item["severity"], item["code"]) for item in json.loads(done.stdout)["issues"]["issues"]]


def _scripts() -> str:
    import sys

    return str(Path(sys.executable).parent)


def recording(root: Path, face: int) -> tuple[dict, list[list[str]]]:
    (path,) = root.glob(f"sub-*/beh/*_recording-face{face}_physio.tsv.gz")
    text = gzip.decompress(path.read_bytes()).decode("ascii")
    sidecar = json.loads(path.with_name(path.name.replace(".tsv.gz", ".json")).read_text())
    return sidecar, [line.split("\t") for line in text.splitlines()]


@pytest.mark.slow
def test_the_validator_of_bids_finds_no_error(root: Path) -> None:
    found = issues(root)
    assert [code for severity, code in found if severity == "error"] == []
    assert {code for _, code in found} <= {"TOO_FEW_AUTHORS"}
    (path,) = root.glob("sub-*/beh/*_events.tsv")
    path.write_text(path.read_text().replace("onset", "start", 1))
    assert "error" in {severity for severity, _ in issues(root)}  # the validator does refuse something


def test_events_are_ordered_by_onset_with_the_required_columns_first(root: Path) -> None:
    (path,) = root.glob("sub-clip/beh/sub-clip_task-video_events.tsv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t"))
    assert list(rows[0])[:3] == ["onset", "duration", "trial_type"]
    onsets = [float(row["onset"]) for row in rows]
    assert onsets == sorted(onsets)
    found = {(row["trial_type"], row["value"], row["onset"], row["duration"], row["face_id"]) for row in rows}
    assert ("expression", "happiness|surprise", "2.500000", "1.000000", "1") in found
    assert ("human", "happiness", "0.500000", "1.000000", "1") in found
    assert ("excluded", "n/a", "4.000000", "0.200000", "n/a") in found
    assert ("marker", "'=cmd|' /C calc'!A1", "1.000000", "0.000000", "n/a") in found
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert set(sidecar) >= {"trial_type", "value", "face_id", "mean"}


def test_names_and_markers_have_no_control_characters(write) -> None:
    root = write("bids", NOTES.with_name(1, "Ann\x07\tB.\u202e").with_marker(Marker(2.0, "bell\x1b[2J"))) / "bids"
    (path,) = root.glob("sub-clip/beh/*_events.tsv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t"))
    assert {row["person"] for row in rows if row["face_id"] == "1"} == {"Ann B."}
    assert "bell[2J" in {row["value"] for row in rows}
    assert "face 1 (Ann B.)" in recording(root, 1)[0]["Description"]


def test_a_recording_has_one_line_per_sample_and_no_header(root: Path) -> None:
    sidecar, lines = recording(root, 1)
    assert sidecar["SamplingFrequency"] == pytest.approx(10.0)
    assert sidecar["StartTime"] == pytest.approx(0.5)
    assert len(lines) == 40
    assert {len(line) for line in lines} == {len(sidecar["Columns"])}
    column = sidecar["Columns"].index("AU12")
    assert [line[column] for line in lines] == ["0.7"] * 20 + ["0.5"] * 10 + ["n/a"] * 10
    uncertainty = sidecar["Columns"].index("epistemic")
    assert [line[uncertainty] for line in lines[30:]] == ["0.1"] * 5 + ["n/a"] * 5  # as in the table


def test_frames_at_irregular_times_are_resampled_to_the_nearest(tmp_path, write) -> None:
    from app.review.session import open_session

    times = [0.0, 0.1, 0.2, 0.3, 0.4, 1.0, 1.1, 1.23]
    faces = [(labelled_face(1, "anger", level=place / 10),) for place in range(len(times))]
    write_session(tmp_path / "odd", faces, times_s=times)
    with open_session(tmp_path / "odd") as session:
        sidecar, lines = recording(write("bids", opened=session) / "bids", 1)
    column = sidecar["Columns"].index("AU12")
    # a sample takes the nearest frame, n/a where none is within a step
    assert [line[column] for line in lines] == [
        *("0", "0.1", "0.2", "0.3", "0.4", "0.4"),
        *("n/a",) * 3,
        *("0.5", "0.5", "0.6", "0.7"),
    ]


def test_the_same_session_gives_the_same_bytes(write, tmp_path) -> None:
    first = {path.name: path.read_bytes() for path in (write("bids") / "bids").rglob("*.gz")}
    shutil.rmtree(tmp_path / "out-bids")
    assert first == {path.name: path.read_bytes() for path in (write("bids") / "bids").rglob("*.gz")}


def test_a_folder_is_replaced_as_a_whole(write, root: Path) -> None:
    (root / "old.txt").write_text("of an earlier export")
    write("bids", replace=True)
    assert not (root / "old.txt").exists()
    assert (root / "dataset_description.json").exists()
    assert [path.name for path in root.parent.iterdir()] == ["bids"]


def test_the_earlier_folder_returns_if_the_new_one_cannot_be_renamed(write, root: Path, monkeypatch) -> None:
    from engine.errors import OutputError

    rename = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    (root / "mine.txt").write_text("of an earlier export")
    with pytest.raises(OutputError, match="Input/output error"):
        write("bids", replace=True)
    assert (root / "mine.txt").exists()
    assert [path.name for path in root.parent.iterdir()] == ["bids"]
