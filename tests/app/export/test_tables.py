"""The reviewed table in three containers, read with each library that people use, and cells that must not run."""

from __future__ import annotations

import codecs
import json

import pytest

from app.review.notes import Marker, Notes
from app.session.text_tables import safe_cell, text_table
from tests.app.export.conftest import FRAMES, csv_rows

ROWS = sum(max(len(faces), 1) for faces in FRAMES)


@pytest.fixture
def table(write):
    return csv_rows(write("csv") / "reviewed_faces.csv")


def check_columns(table, decisions, labels, occurrence, face_ids) -> None:
    """Compare a library's columns with the CSV file: the same values, and nothing where nothing was computed."""
    assert decisions == [row["decision"] for row in table]
    assert labels == [row["human_label"] or None for row in table]
    expected = [float(row["au_12"]) if row["au_12"] else None for row in table]
    assert occurrence == pytest.approx(expected)
    assert occurrence.count(None) == 5 + 5 + 5  # nobody, unlike the training data, dark
    assert face_ids == [int(row["face_id"]) if row["face_id"] else None for row in table]


def none_for_nan(values) -> list:
    pandas = pytest.importorskip("pandas")
    return [None if pandas.isna(value) else value for value in values]


def test_pandas_reads_the_parquet_table(write, table) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(write("parquet") / "reviewed_faces.parquet", engine="pyarrow")
    assert len(frame) == ROWS
    columns = [none_for_nan(frame[name].astype(object).tolist()) for name in ("decision", "human_label", "au_12")]
    check_columns(table, *columns, none_for_nan(frame["face_id"].astype(object).tolist()))


def test_polars_reads_the_parquet_table(write, table) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(write("parquet") / "reviewed_faces.parquet")
    check_columns(table, *(frame[name].to_list() for name in ("decision", "human_label", "au_12", "face_id")))


def test_duckdb_reads_the_parquet_table(write, table) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = write("parquet") / "reviewed_faces.parquet"
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select decision, human_label, au_12, face_id from read_parquet(?)", [str(path)]
        ).fetchall()
    check_columns(table, *map(list, zip(*rows, strict=True)))


# fastparquet leaves the file to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_fastparquet_reads_the_parquet_table(write, table) -> None:
    parquet, fastparquet = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("fastparquet")
    path = write("parquet") / "reviewed_faces.parquet"
    group = parquet.read_metadata(path).row_group(0)
    if any("BYTE_STREAM_SPLIT" in group.column(place).encodings for place in range(group.num_columns)):
        pytest.skip("fastparquet cannot read columns encoded as byte stream split")
    frame = fastparquet.ParquetFile(str(path)).to_pandas()
    columns = [none_for_nan(frame[name].astype(object).tolist()) for name in ("decision", "human_label", "au_12")]
    check_columns(table, *columns, none_for_nan(frame["face_id"].astype(object).tolist()))


def test_json_lines_hold_the_same_rows_with_null_for_what_was_not_computed(write, table) -> None:
    path = write("jsonl") / "reviewed_faces.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    check_columns(table, *([row[name] for row in rows] for name in ("decision", "human_label", "au_12", "face_id")))
    ambiguous = next(row for row in rows if row["decision"] == "ambiguous")
    assert ambiguous["set"] == ["surprise", "happiness"]
    assert [row["excluded"] for row in rows].count(True) == 2
    assert next(row for row in rows if row["decision"] == "low_quality")["quality_reasons"] == ["dark"]


def test_excel_gets_a_byte_order_mark(write) -> None:
    assert (write("csv", excel=True) / "reviewed_faces.csv").read_bytes().startswith(codecs.BOM_UTF8 + b"source_id,")


def test_without_excel_there_is_no_byte_order_mark(write) -> None:
    assert (write("csv") / "reviewed_faces.csv").read_bytes().startswith(b"source_id,")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_a_spreadsheet_would_run_is_escaped(start: str, write, session) -> None:
    notes = Notes(f"{start}coder()").with_marker(Marker(1.0, f"{start}1+cmd|' /C calc'!A1"))
    (row,) = csv_rows(write("notes", notes) / "reviewed_notes.csv")
    shown = start.replace("\r", "\n")
    assert (row["text"], row["coder"]) == (f"'{shown}1+cmd|' /C calc'!A1", f"'{shown}coder()")


@pytest.mark.parametrize("value", ["-1.5", "+3", "-2e-05", -1.5, 7, None, "plain", ""])
def test_numbers_and_plain_text_are_unchanged(value) -> None:
    assert safe_cell(value) == value


@pytest.mark.parametrize("value", ["-1-1", "-1e", "+1;2", "--1", "-", "=1", "-1.5\n=2"])
def test_what_only_starts_like_a_number_is_escaped(value: str) -> None:
    assert safe_cell(value) == f"'{value}"


def test_a_lone_surrogate_does_not_fail_a_table(tmp_path) -> None:
    with text_table(tmp_path / "t.csv") as writer:
        writer.writerow(("\udce9", None))
    assert (tmp_path / "t.csv").read_bytes() == b"?,\n"
