"""The journal: written and read, resumed, truncated anywhere, damaged, and read at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.journal import (
    JournaledPipeline,
    JournalReader,
    JournalSink,
    ResumePoint,
    find_resume_point,
    read_header,
    read_journal,
    resumed_frames,
)
from app.session.rows import rows_of
from engine.errors import OutputError, Remedy
from tests.fakes.engines import FakePipeline
from tests.fakes.faces import fake_face, fake_frame, fake_result
from tests.fakes.sessions import fake_header

HEADER = fake_header(au_trusted=(1, 2, 12), settings={"tracker": "litert"})


def write_frames(path: Path, frames: int, resume: ResumePoint | None = None, first: int = 0) -> None:
    pipeline = JournaledPipeline(FakePipeline())
    sink = JournalSink(path, HEADER, resume)
    sink.open()
    for index in range(first, frames):
        sink.write(pipeline.process(fake_frame(index)))
    sink.close(completed=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_journal_reads_as_it_was_written(path: Path) -> None:
    write_frames(path, 12)
    pipeline = FakePipeline()
    assert read_header(path) == HEADER
    entries = list(read_journal(path))
    assert [entry.rows for entry in entries] == [rows_of(pipeline.process(fake_frame(index))) for index in range(12)]
    assert entries[0].stage_ms == (1.0, 0.5, 2.0, 1.25, 0.25)


def test_a_journal_of_an_earlier_version_has_no_steady_estimate(path: Path) -> None:
    write_frames(path, 5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert any("steady" in line for line in lines)
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "steady"}) + "\n" for line in lines))
    rows = [row for entry in read_journal(path) for row in entry.rows]
    assert any(row.labels for row in rows)
    assert {(row.steady_probabilities, row.steady_aleatoric) for row in rows} == {((), None)}


@pytest.mark.parametrize("steady", [7, [], [[0.1]], [[0.1, 0.2, 0.3]], [[0.1, 0.2, "x"]], [[1e300] * 11]])
def test_a_damaged_steady_estimate_is_an_error(path: Path, steady: object) -> None:
    write_frames(path, 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    place = next(place for place, line in enumerate(lines) if "steady" in line and len(line["rows"]) == 1)
    lines[place]["steady"] = steady
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(OutputError, match="steady"):
        list(read_journal(path))


@pytest.mark.parametrize("damage", [7, [], [[0.1]], [["x"] * 12], [[1e300] * 12], [[]]])
def test_a_damaged_intensity_is_an_error(path: Path, damage: object) -> None:
    header = fake_header(au_intensity=True)
    sink = JournalSink(path, header)
    sink.open()
    sink.write(fake_result(fake_frame(), fake_face(graded=True)))
    sink.close(completed=True)
    (entry,) = read_journal(path)
    (row,) = entry.rows
    assert row.intensity == pytest.approx([4 * value for value in row.occurrence], abs=1e-5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    next(line for line in lines if "rows" in line)["intensity"] = damage
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(OutputError, match="intensit"):
        list(read_journal(path))


def test_intensities_without_a_model_that_grades_are_an_error(path: Path) -> None:
    write_frames(path, 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    frame = next(line for line in lines if "rows" in line and len(line["rows"]) == 2)
    frame["intensity"] = [[1.0] * 12] * 2
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(OutputError, match="number of intensities"):
        list(read_journal(path))


def test_the_header_line_names_limits_and_trusted_units(path: Path) -> None:
    """The keys are part of the format: sessions of earlier builds must stay readable."""
    write_frames(path, 1)
    header = json.loads(path.read_text().splitlines()[0])["header"]
    assert (header["tau_accept"], header["tau_ood"]) == (HEADER.aleatoric_limit, HEADER.ood_limit)
    assert header["au_trusted"] == [1, 2, 12]


def test_a_state_is_written_twice_per_second_after_its_frame(path: Path) -> None:
    write_frames(path, 18)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    states = [(line["frame"], line["snapshot"]) for line in lines if "snapshot" in line]
    assert states == [(5, str(5 + 1)), (10, str(10 + 1)), (15, str(15 + 1))]
    point = find_resume_point(path)
    assert point is not None
    assert (point.frame, point.snapshot) == (15, "16")


def test_resuming_truncates_after_the_state_and_appends(path: Path) -> None:
    write_frames(path, 23)
    point = find_resume_point(path)
    assert point is not None
    write_frames(path, 28, point, first=point.frame + 1)
    assert [entry.frame for entry in read_journal(path)] == list(range(28))
    assert resumed_frames(path) == [21]


@given(st.data())
def test_a_journal_truncated_anywhere_gives_its_complete_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("truncated") / "journal.jsonl"
    write_frames(path, 12)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    expected = sum(b'"rows"' in line for line in whole[:cut].splitlines(keepends=True) if line.endswith(b"\n"))
    assert sum(1 for _ in read_journal(path)) == expected
    point = find_resume_point(path)
    assert point is None or point.length <= cut


def test_trailing_zero_bytes_are_skipped(path: Path) -> None:
    """A power cut can leave them: the file has grown, but its last bytes were never written."""
    write_frames(path, 5)
    with path.open("ab") as handle:
        handle.write(bytes(300))
    assert sum(1 for _ in read_journal(path)) == 5


@pytest.mark.parametrize("line", [b"{broken\n", b"[" * 100_000 + b"\n"])
def test_a_damaged_line_inside_is_an_error(path: Path, line: bytes) -> None:
    write_frames(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
    with pytest.raises(
        OutputError,
        match=r"damaged in line 3 \(it is not complete JSON\)$",
        check=lambda error: error.remedy is Remedy.ANNOTATE_AGAIN,
    ):
        list(read_journal(path))
    with pytest.raises(
        OutputError,
        match=r"damaged in line 3 \(it is not complete JSON\)$",
        check=lambda error: error.remedy is Remedy.ANNOTATE_AGAIN,
    ):
        find_resume_point(path)


@pytest.fixture
def frame_lines(path: Path) -> list[str]:
    """The lines of a journal of 25 frames."""
    write_frames(path, 25)
    return path.read_text().splitlines(keepends=True)


def find(lines: list[str], frame: int, kind: str = "ms") -> int:
    """Place of a line."""
    return next(place for place, line in enumerate(lines) if line.startswith(f'{{"frame":{frame},"{kind}"'))


def duplicate_frame(lines: list[str]) -> list[str]:
    place = find(lines, 12)
    return [*lines[: place + 1], *lines[place:]]


def swapped_frames(lines: list[str]) -> list[str]:
    place = find(lines, 12)
    return [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]]


def two_writers(lines: list[str]) -> list[str]:
    """Two programs that append in turn."""
    frames = lines[1:8]
    return [lines[0], *(line for pair in zip(frames, frames, strict=True) for line in pair)]


def duplicate_state(lines: list[str]) -> list[str]:
    place = find(lines, 10, "snapshot")
    return [*lines[: place + 1], *lines[place:]]


def early_state(lines: list[str]) -> list[str]:
    place = find(lines, 20, "snapshot")
    return [*lines[:5], lines[place], *lines[5:]]


def second_header(lines: list[str]) -> list[str]:
    return [*lines[:5], lines[0], *lines[5:]]


def resumed_before_the_end(lines: list[str]) -> list[str]:
    return [*lines, '{"resumed_at":11}\n']


@pytest.mark.parametrize(
    "disorder",
    [
        duplicate_frame,
        swapped_frames,
        two_writers,
        duplicate_state,
        early_state,
        second_header,
        resumed_before_the_end,
    ],
)
def test_duplicate_and_disordered_lines_are_refused(
    path: Path, frame_lines: list[str], disorder: Callable[[list[str]], list[str]]
) -> None:
    path.write_text("".join(disorder(frame_lines)))
    for read in (lambda: list(read_journal(path)), lambda: find_resume_point(path), lambda: resumed_frames(path)):
        with pytest.raises(OutputError, match="is damaged", check=lambda error: error.remedy is Remedy.ANNOTATE_AGAIN):
            read()


@pytest.mark.parametrize("header", [None, [], {}, {"shoe_size": 43}])
def test_a_damaged_header_is_an_error(path: Path, header: object) -> None:
    write_frames(path, 1)
    first, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps(json.loads(first) | {"header": header}) + "\n" + rest)
    with pytest.raises(
        OutputError,
        match="is not a journal that this version can read",
        check=lambda error: error.remedy is Remedy.ANNOTATE_AGAIN,
    ):
        read_header(path)


def test_another_file_is_not_a_journal(path: Path) -> None:
    path.write_text('{"journal": 99}\n')
    with pytest.raises(OutputError, match="is not a journal that this version can read"):
        read_header(path)


def test_a_journal_of_format_1_is_refused(path: Path) -> None:
    """It did not list the trusted units."""
    write_frames(path, 2)
    first, *rest = path.read_text().splitlines()
    old = json.loads(first)
    old["journal"] = 1
    del old["header"]["au_trusted"]
    path.write_text("\n".join([json.dumps(old), *rest, ""]))
    with pytest.raises(
        OutputError,
        match="is not a journal that this version can read",
        check=lambda error: error.remedy is Remedy.ANNOTATE_AGAIN,
    ):
        read_header(path)


def test_a_journal_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        JournalSink(tmp_path / "file" / "journal.jsonl", HEADER).open()


def test_a_full_disk_is_an_error_with_a_remedy() -> None:
    sink = JournalSink(Path("/dev/full"), HEADER)
    with pytest.raises(
        OutputError, match="No space left on device", check=lambda error: error.remedy is Remedy.FREE_SPACE
    ):
        sink.open()
    with pytest.raises(OutputError):
        sink.close(completed=False)


@pytest.fixture
def reader(path: Path) -> Iterator[JournalReader]:
    """A journal far longer than one step of the search, with a state after every tenth frame."""
    write_frames(path, 300)
    opened = JournalReader(path)
    yield opened
    opened.close()


def test_every_frame_is_found(path: Path, reader: JournalReader) -> None:
    entries = list(read_journal(path))
    assert [reader.entry_at(entry.frame) for entry in reversed(entries)] == entries[::-1]
    assert reader.last_frame() == 299


def test_a_missing_frame_is_an_error(reader: JournalReader) -> None:
    for frame in (-1, 300, 10**9):
        with pytest.raises(OutputError, match="no longer holds frame"):
            reader.entry_at(frame)


def test_an_incomplete_last_frame_does_not_count(path: Path, reader: JournalReader) -> None:
    path.write_bytes(path.read_bytes()[:-3])
    assert reader.last_frame() == 298


def test_a_closed_reader_says_what_to_do(reader: JournalReader) -> None:
    reader.close()
    with pytest.raises(OutputError, match="open the session again"):
        reader.entry_at(3)


def test_a_journal_without_a_frame_has_no_last_frame(path: Path) -> None:
    write_frames(path, 0)
    reader = JournalReader(path)
    assert reader.last_frame() is None
    reader.close()


def test_a_missing_journal_cannot_be_opened(path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read"):
        JournalReader(path)


def test_live_results_have_their_state_when_it_is_due() -> None:
    pipeline, live = JournaledPipeline(FakePipeline()), JournaledPipeline(FakePipeline())
    wanted = [pipeline.process(fake_frame(index)).snapshot for index in range(12)]
    assert [live.process_live(fake_frame(index)).snapshot for index in range(12)] == wanted
    assert any(wanted)
