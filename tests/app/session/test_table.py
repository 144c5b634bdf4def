"""The two tables: columns, empty cells, equality; no partial file is left behind."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.journal import read_journal
from app.session.rows import rows_of
from app.session.table import column_names, write_tables
from app.session.text_tables import safe_cell
from engine.capture.source import path_text
from engine.errors import OutputError
from engine.facs import BP4D_UNITS, EXPRESSIONS, OPEN_UNITS
from engine.types import Reason, Route
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
    wanted += ["yaw", "pitch", "roll", "latency_ms", "model_sha256", "app_version", "file", "cut", "carried"]
    wanted += [*(f"q_{name}" for name in EXPRESSIONS), "q_ood_score", "q_aleatoric", "q_epistemic"]
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


def test_intensities_are_the_last_columns_where_the_model_grades_them(tmp_path: Path) -> None:
    header = dataclasses.replace(HEADER, au_intensity=True)
    path = tmp_path / "journal.jsonl"
    rejected = fake_face(Route.REJECT, Reason.UNLIKE_TRAINING_DATA, (), (), track_id=2, graded=True)
    write_journal(path, header, [fake_result(fake_frame(), fake_face(graded=True), rejected)])
    write_tables(path, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    table = pq.read_table(tmp_path / "faces.parquet")
    names = [f"au_{number}_i" for number in NUMBERS]
    assert table.column_names[-len(names) :] == names
    assert table.column_names[: -len(names)] == list(column_names(HEADER))
    seen, empty = table.to_pylist()
    assert [seen[name] for name in names] == pytest.approx([4 * seen[name[:-2]] for name in names], abs=1e-5)
    assert [empty[name] for name in names] == [None] * len(names)


def test_every_row_has_the_file_of_its_frame(tmp_path: Path) -> None:
    frames = [dataclasses.replace(fake_frame(index), file=file) for index, file in enumerate(("a/1.png", "b 2.png"))]
    path = tmp_path / "journal.jsonl"
    write_journal(path, HEADER, [fake_result(frames[0], fake_face(), fake_face(track_id=2)), fake_result(frames[1])])
    write_tables(path, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    assert pq.read_table(tmp_path / "faces.parquet")["file"].to_pylist() == ["a/1.png", "a/1.png", "b 2.png"]
    assert [row.file for entry in read_journal(path) for row in entry.rows] == ["a/1.png", "a/1.png", "b 2.png"]


def test_the_rows_of_a_frame_that_begins_a_shot_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    results = [
        fake_result(fake_frame(index), *[fake_face(track_id=1 + place) for place in range(index)]) for index in range(3)
    ]
    write_journal(path, HEADER, [dataclasses.replace(result, cut=result.frame.index != 1) for result in results])
    write_tables(path, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    assert pq.read_table(tmp_path / "faces.parquet")["cut"].to_pylist() == [1, 0, 1, 1]
    assert [row.cut for entry in read_journal(path) for row in entry.rows] == [True, False, True, True]


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


FORMULAS = ["=1+1", "+1+1", "-1.mp4", "@SUM(A1)", '=HYPERLINK("http://x")', "=a,b"]


def named_session(tmp_path: Path, source_id: str, file: str | None, **options: bool) -> tuple[list[str], list[str]]:
    """A row with these texts; returns source and file as read by a CSV reader and from Parquet."""
    header = dataclasses.replace(HEADER, source_id=source_id)
    frame = dataclasses.replace(fake_frame(), file=file)
    write_journal(tmp_path / "journal.jsonl", header, [fake_result(frame, fake_face())])
    write_tables(tmp_path / "journal.jsonl", tmp_path / "faces.csv", tmp_path / "faces.parquet", **options)
    with (tmp_path / "faces.csv").open(encoding="utf-8", newline="") as handle:
        (row,) = csv.DictReader(handle)
    (typed,) = pq.read_table(tmp_path / "faces.parquet").to_pylist()
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", "faces.csv", "faces.parquet"}
    return [row["source_id"], row["file"]], [typed["source_id"], typed["file"]]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_is_escaped_in_csv_only(tmp_path: Path, text: str) -> None:
    shown, typed = named_session(tmp_path, text, text)
    assert shown == [f"'{text}", f"'{text}"]
    assert typed == [text, text]


def test_a_picture_with_such_a_name_is_escaped_too(tmp_path: Path) -> None:
    assert named_session(tmp_path, "faces", "=1+1.png") == (["faces", "'=1+1.png"], ["faces", "=1+1.png"])


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_every_other_text_is_written_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    text = path_text(text)
    shown, typed = named_session(tmp_path_factory.mktemp("named"), text, "dir/" + text)
    assert typed == [text, "dir/" + text]
    assert shown == [safe_cell(text), "dir/" + text]
    assert safe_cell(text).removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize("text", ["\tx", "\r=x"])
def test_a_text_that_starts_with_a_tab_or_a_carriage_return_is_escaped(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_negative_numbers_are_not_escaped(journal: Path, tmp_path: Path) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    with (tmp_path / "faces.csv").open(newline="") as handle:
        pitches = {row["pitch"] for row in csv.DictReader(handle)}
    assert "-5.0" in pitches


def test_excel_gets_a_byte_order_mark_and_parquet_the_same_values(journal: Path, tmp_path: Path) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    plain, typed = (tmp_path / "faces.csv").read_bytes(), pq.read_table(tmp_path / "faces.parquet")
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet", excel=True)
    assert (tmp_path / "faces.csv").read_bytes() == b"\xef\xbb\xbf" + plain
    assert pq.read_table(tmp_path / "faces.parquet").equals(typed)


def test_no_column_has_an_encoding_that_older_readers_lack(journal: Path, tmp_path: Path) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    group = pq.ParquetFile(tmp_path / "faces.parquet").metadata.row_group(0)
    found = {encoding for column in range(group.num_columns) for encoding in group.column(column).encodings}
    assert found <= {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}


def read_fastparquet(path: Path) -> list[dict[str, object]]:
    fastparquet = pytest.importorskip("fastparquet")
    return fastparquet.ParquetFile(str(path)).to_pandas().to_dict("records")


def read_pandas(path: Path) -> list[dict[str, object]]:
    return pytest.importorskip("pandas").read_parquet(path).to_dict("records")


def read_polars(path: Path) -> list[dict[str, object]]:
    return pytest.importorskip("polars").read_parquet(path).to_dicts()


def read_duckdb(path: Path) -> list[dict[str, object]]:
    answer = pytest.importorskip("duckdb").sql(f"select * from '{path}'")
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()]


@pytest.mark.filterwarnings("ignore")  # of the readers
@pytest.mark.parametrize("read", [read_fastparquet, read_pandas, read_polars, read_duckdb])
def test_common_readers_give_the_same_values(
    journal: Path, tmp_path: Path, read: Callable[[Path], list[dict[str, object]]]
) -> None:
    write_tables(journal, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    wanted = pq.read_table(tmp_path / "faces.parquet").to_pylist()
    found = [
        {name: None if value != value else value for name, value in row.items()}
        for row in read(tmp_path / "faces.parquet")
    ]
    assert found == wanted


def test_carried_rows_have_the_decision_and_empty_values(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    carried = dataclasses.replace(fake_face(track_id=2), carried=1)
    results = [fake_result(fake_frame(0), fake_face(), carried), fake_result(fake_frame(1), fake_face())]
    write_journal(path, HEADER, results)
    write_tables(path, tmp_path / "faces.csv", tmp_path / "faces.parquet")
    table = pq.read_table(tmp_path / "faces.parquet")
    assert table["carried"].to_pylist() == [0, 1, 0]
    assert table["label"].to_pylist() == ["happiness"] * 3
    for name in ("p_happiness", "au_12", "au_12_sd", "aleatoric", "ood_score"):
        assert [value is None for value in table[name].to_pylist()] == [False, True, False]
    rows = [row for entry in read_journal(path) for row in entry.rows]
    assert rows == [row for result in results for row in rows_of(result)]
    assert path.read_text().count('"carried"') == 1  # other frames have no such key, so older journals stay readable


@pytest.mark.parametrize("damaged", ["[0]", "[0, -1]", "[0, true]", "[0, 0]", "1"])
def test_a_journal_with_damaged_ages_is_refused(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "journal.jsonl"
    carried = dataclasses.replace(fake_face(track_id=2), carried=1)
    write_journal(path, HEADER, [fake_result(fake_frame(0), fake_face(), carried), fake_result(fake_frame(1))])
    text = path.read_text()
    assert '"carried":[0,1]' in text
    path.write_text(text.replace('"carried":[0,1]', f'"carried":{damaged}'))
    with pytest.raises(OutputError, match="damaged in line 2"):
        list(read_journal(path))
