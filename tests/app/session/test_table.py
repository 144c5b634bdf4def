"""The two tables: columns, empty cells, equality; no partial file is left behind."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.session.table import column_names, write_tables
from engine.errors import OutputError
from engine.facs import BP4D_UNITS, EXPRESSIONS, OPEN_UNITS
from tests.fakes.engines import FakePipeline
from tests.fakes.faces import fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header, write_journal

HEADER = fake_header(source_id="clip, with comma.mp4", au_trusted=(1, 2, 12))
NUMBERS = [f"{code:02d}" for code in BP4D_UNITS]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two frames of each route."""
    path, pipeline = tmp_path / "journal.jsonl", FakePipeline()
    write_journal(path, HEADER, [pipeline.process(fake_frame(index)) for index in range(10)])
    return path


def test_the_columns_and_their_order() -> None:
    wanted = ["source_id", "frame", "pts_s", "time_s", "face_id", "x", "y", "w", "h", "det_score", "quality"]
    wanted += ["quality_reasons", "decision", "label", "label2", *(f"p_{name}" for name in EXPRESSIONS), "set"]
    wanted += ["confidence", "ood_score", "tau_accept", "tau_ood", "aleatoric", "epistemic"]
    wanted += [f"au_{number}" for number in NUMBERS] + [f"au_{number}_sd" for number in NUMBERS]
    wanted += ["yaw", "pitch", "roll", "latency_ms", "model_sha256", "app_version"]
    assert list(column_names(HEADER)) == wanted
    assert {"au_01", "au_12", "au_12_sd"} <= set(wanted)


def test_the_columns_follow_the_units_of_the_model(tmp_path: Path) -> None:
    header = dataclasses.replace(HEADER, au_codes=OPEN_UNITS, au_thresholds=(0.1,) * 18, au_trusted=())
    occurrence = tuple(place / 100 for place in range(18))
    face = fake_face(units=OPEN_UNITS, occurrence=occurrence)
    path = tmp_path / "journal.jsonl"
    write_journal(path, header, [fake_result(fake_frame(), face), fake_result(fake_frame(1))])
    write_tables(path, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    seen, empty = pq.read_table(tmp_path / "faces.parquet").to_pylist()
    names = [f"au_{unit:02d}" for unit in OPEN_UNITS]
    assert [name for name in seen if name.startswith("au_")] == names + [f"{name}_sd" for name in names]
    assert [seen[name] for name in names] == pytest.approx(occurrence)
    assert [empty[name] for name in names] == [None] * 18


def test_both_tables_hold_the_same_values(journal: Path, tmp_path: Path) -> None:
    counts = write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    assert (counts.frames, counts.rows, counts.faces) == (10, 12, 2)
    assert counts.longest_step_s == pytest.approx(0.1)
    table = pq.read_table(tmp_path / "faces.parquet")
    with (tmp_path / "faces.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == table.num_rows == 12
    for name in table.column_names:
        for text, value in zip((row[name] for row in rows), table[name].to_pylist(), strict=True):
            assert (value is None) == (text == "")
            assert value is None or type(value)(text) == value


def test_parquet_columns_are_typed(journal: Path, tmp_path: Path) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    schema = pq.read_schema(tmp_path / "faces.parquet")
    assert schema.field("frame").type == schema.field("face_id").type == pa.int64()
    assert schema.field("set").type == schema.field("model_sha256").type == pa.string()
    assert schema.field("au_12_sd").type == schema.field("pts_s").type == pa.float64()


def test_cells_that_were_not_computed_are_empty_and_never_zero(journal: Path, tmp_path: Path) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    rows = {row["decision"]: row for row in pq.read_table(tmp_path / "faces.parquet").to_pylist()}
    assessed = ["label", "set", "confidence", *(f"p_{name}" for name in EXPRESSIONS), *(f"au_{n}" for n in NUMBERS)]
    for decision in ("reject", "low_quality", "no_face"):
        assert [rows[decision][name] for name in assessed] == [None] * len(assessed)
    assert rows["reject"]["ood_score"] > 0
    assert rows["low_quality"]["ood_score"] is None
    assert rows["low_quality"]["quality_reasons"] == "dark|cut_off"
    assert rows["no_face"]["face_id"] is None
    ambiguous = rows["ambiguous"]
    assert (ambiguous["label"], ambiguous["label2"]) == ("happiness", "surprise")
    assert (ambiguous["set"], ambiguous["confidence"]) == ("happiness|surprise", 0.5)
    assert (rows["accept"]["label2"], rows["accept"]["set"]) == (None, "happiness")
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows.values() for value in row.values())


def test_a_table_that_cannot_be_written_leaves_no_partial_file(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(journal, tmp_path / "file" / "faces.csv", tmp_path / "faces.parquet")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(journal, tmp_path / "faces.csv", tmp_path / "file" / "faces.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.csv", "file", "journal.jsonl"]


def test_a_session_without_frames_has_tables_without_rows(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.jsonl", HEADER, [])
    counts = write_tables(tmp_path / "journal.jsonl", tmp_path / "faces.csv", tmp_path / "faces.parquet")
    assert (counts.frames, counts.rows, counts.longest_step_s, counts.shortest_step_s) == (0, 0, 0.0, 0.0)
    assert pq.read_table(tmp_path / "faces.parquet").num_rows == 0
