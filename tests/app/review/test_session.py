"""Sessions in every condition on disk: complete, incomplete, moved, damaged."""

import dataclasses
import json
import threading

import numpy as np
import pytest

from app.review.face_series import SeriesGroup
from app.review.notes import Notes, write_notes
from app.review.session import SessionVideo, open_session
from app.session.folder import SessionFolder, source_mark
from app.session.journal import read_journal
from app.session.metadata import read_metadata, write_metadata
from engine.errors import OutputError
from tests.fakes.sessions import labelled_face, low_quality_face, write_session

FRAMES = [
    (),
    (labelled_face(1, "anger", level=0.123456),),
    (labelled_face(2, "fear", "anger", "sadness"), labelled_face(1, "happiness")),
    (labelled_face(1),),
    (low_quality_face(2),),
    (),
]


def test_a_complete_session_has_frames_times_and_rows(tmp_path):
    folder = write_session(tmp_path, FRAMES, indices=[0, 1, 2, 7, 8, 9])
    with open_session(tmp_path) as session:
        assert session.folder == folder
        assert session.frames.tolist() == [0, 1, 2, 7, 8, 9]
        assert session.frames.dtype == np.int64
        assert session.times_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
        assert session.duration_s == pytest.approx(0.6)
        assert session.metadata is not None
        assert session.header.source_id == "clip.mp4"
        entries = list(read_journal(folder.journal))
        assert [session.rows_at(position) for position in range(6)] == [entry.rows for entry in entries]
        assert [session.label_sets[place] for place in session.faces[1].sets[:1]] == [(6, 4, 3)]


def test_a_time_maps_to_the_frame_shown(tmp_path):
    write_session(tmp_path, FRAMES[:4], times_s=[0.0, 0.5, 0.7, 2.0])
    with open_session(tmp_path) as session:
        times_s = (-1.0, 0.0, 0.49, 0.5, 1.99, 2.0, 99.0)
        assert [session.position_at(time_s) for time_s in times_s] == [0, 0, 0, 1, 2, 3, 3]
        assert [session.end_of(position) for position in range(3)] == [0.5, 0.7, 2.0]
        assert session.end_of(3) == session.duration_s == pytest.approx(2.5)  # the median of the steps


def test_a_single_frame_has_a_duration(tmp_path):
    write_session(tmp_path, FRAMES[:1])
    with open_session(tmp_path) as session:
        assert session.duration_s > 0.0
        assert session.faces == ()


def same(one, other):
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.times_s, other.times_s)
    assert [one.video_time_at(p) for p in range(len(one.frames))] == [
        other.video_time_at(p) for p in range(len(other.frames))
    ]
    marks = np.arange(len(one.frames) + 1, dtype=np.int64)
    for timeline, twin in zip(one.faces, other.faces, strict=True):
        assert timeline.face_id == twin.face_id
        view, copy = timeline.buckets(marks), twin.buckets(marks)
        assert np.array_equal(view.state, copy.state)
        assert np.array_equal(view.label, copy.label)
        assert np.array_equal(view.second, copy.second)
        assert np.array_equal(timeline.occurrence(marks), twin.occurrence(marks), equal_nan=True)
        for group in SeriesGroup:
            assert np.array_equal(timeline.series.values(group), twin.series.values(group), equal_nan=True)


@pytest.mark.parametrize("pts_from_s", [None, 5.0])
def test_journal_and_table_give_the_same_session(tmp_path, pts_from_s):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"not decoded")
    options = {"pts_from_s": pts_from_s, "mark": source_mark(video)}
    write_session(tmp_path / "whole", FRAMES * 50, **options)
    write_session(tmp_path / "open", FRAMES * 50, tables=False, completed=False, **options)
    with open_session(tmp_path / "whole") as whole, open_session(tmp_path / "open") as unfinished:
        assert whole.warnings == ()
        assert unfinished.warnings == ("This session is incomplete: the frames analysed so far are shown.",)
        same(whole, unfinished)


def test_carried_rows_have_no_units_in_the_table_either(tmp_path):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"not decoded")
    face = labelled_face(1, "anger", level=0.9)
    frames = [(face,), (dataclasses.replace(face, carried=1),), (face,)]
    write_session(tmp_path / "whole", frames, mark=source_mark(video))
    write_session(tmp_path / "open", frames, mark=source_mark(video), tables=False, completed=False)
    with open_session(tmp_path / "whole") as whole, open_session(tmp_path / "open") as unfinished:
        assert whole.warnings == ()  # it was read from the table
        same(whole, unfinished)
        units = whole.faces[0].occurrence(np.arange(4, dtype=np.int64))
    assert np.isnan(units).all(axis=1).tolist() == [False, True, False]


def test_a_table_with_missing_presentation_times_keeps_the_gaps(tmp_path, monkeypatch):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"not decoded")
    folder = write_session(tmp_path, FRAMES, mark=source_mark(video), tables=False)
    lines = folder.journal.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace("[1,100.1,", "[1,null,")
    folder.journal.write_text("\n".join(lines) + "\n", encoding="utf-8")
    from app.session.table import write_tables

    write_tables(folder.journal, folder.csv, folder.parquet)
    with open_session(tmp_path) as session:
        assert [session.video_time_at(position) for position in range(3)] == [100.0, 0.1, 100.2]


@pytest.mark.parametrize("last", ["q_epistemic", "carried", "app_version"])
def test_a_table_of_an_earlier_version_is_read(tmp_path, last):
    """They were compressed with zstd, and had no steady estimates, or no columns about carried rows."""
    from arro3.io import read_parquet, write_parquet

    video = tmp_path / "clip.mp4"
    video.write_bytes(b"not decoded")
    folder = write_session(tmp_path, FRAMES, mark=source_mark(video))
    with open_session(tmp_path) as session:
        now = session.faces[0].occurrence(np.arange(5, dtype=np.int64))
    table = read_parquet(folder.parquet).read_all()
    names = table.column_names[: table.column_names.index(last) + 1]
    write_parquet(table.select(names), str(folder.parquet), compression="zstd(3)")
    with open_session(tmp_path) as session:
        assert session.warnings == ()  # it was read from the table
        np.testing.assert_array_equal(session.faces[0].occurrence(np.arange(5, dtype=np.int64)), now)


def test_a_truncated_last_line_is_ignored(tmp_path):
    folder = write_session(tmp_path, FRAMES, tables=False, completed=False)
    folder.journal.write_bytes(folder.journal.read_bytes()[:-20])
    with open_session(tmp_path) as session:
        assert session.frames.tolist() == [0, 1, 2, 3, 4]
        assert session.rows_at(4)[0].face_id == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "other columns", "older than the journal", "empty"])
def test_a_damaged_or_mismatched_table_is_replaced_by_the_journal(tmp_path, damage, capfd):
    folder = write_session(tmp_path / "run", FRAMES * 20)
    write_session(tmp_path / "short", FRAMES * 19)
    raw = bytearray(folder.parquet.read_bytes())
    if damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "flipped":
        raw[-300] ^= 0x40
    elif damage == "other columns":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"frame": [1, 2]}), tmp_path / "other.parquet")
        raw = bytearray((tmp_path / "other.parquet").read_bytes())
    elif damage == "empty":
        raw = bytearray()
    else:
        raw = bytearray((tmp_path / "short" / "faces.parquet").read_bytes())
    folder.parquet.write_bytes(raw)
    with open_session(folder.path) as session:
        assert len(session.frames) == 120
        assert (
            "faces.parquet is damaged or belongs to another run: the journal was read instead." in session.warnings[0]
        )


def test_rows_are_found_among_states_and_resumes(tmp_path):
    folder = write_session(tmp_path, FRAMES * 100, state_bytes=9000, tables=False, completed=False)
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    cut = next(place for place, line in enumerate(lines) if line.startswith(b'{"frame":299,"snapshot"')) + 1
    lines.insert(cut, b'{"resumed_at":300}\n')
    folder.journal.write_bytes(b"".join(lines))
    with open_session(tmp_path) as session:
        for position in range(600):
            assert session.rows_at(position)[0].frame == position


def test_rows_are_found_where_the_binary_search_hits_a_state_line(tmp_path):
    write_session(tmp_path, FRAMES * 200, state_bytes=10)
    with open_session(tmp_path) as session:
        assert all(session.rows_at(position)[0].frame == position for position in range(9, 1200, 10))


def test_rows_can_be_read_from_several_threads(tmp_path):
    write_session(tmp_path, FRAMES * 60, state_bytes=2000)
    wrong = []
    with open_session(tmp_path) as session:

        def read(seed):
            for position in np.random.default_rng(seed).integers(0, 360, 100).tolist():
                if session.rows_at(position)[0].frame != position:
                    wrong.append(position)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_journal_rewritten_meanwhile_is_reported(tmp_path):
    folder = write_session(tmp_path, FRAMES * 10)
    with open_session(tmp_path) as session:
        with folder.journal.open("r+b") as handle:
            handle.truncate(3000)
        with pytest.raises(OutputError, match="open the session again"):
            session.rows_at(55)
    with pytest.raises(OutputError, match="open the session again"):
        session.rows_at(0)


def test_a_folder_without_a_journal_is_reported(tmp_path):
    with pytest.raises(
        OutputError, match=r"is not a session \(it has no journal\.jsonl\): choose a folder that has one"
    ):
        open_session(tmp_path)
    with pytest.raises(OutputError, match="is not a session"):
        open_session(tmp_path / "nowhere")


def test_a_session_without_frames_is_reported(tmp_path):
    write_session(tmp_path, [], tables=False)
    with pytest.raises(OutputError, match="no analysed frame yet"):
        open_session(tmp_path)


def test_a_journal_of_another_version_is_reported(tmp_path):
    folder = write_session(tmp_path, FRAMES)
    raw = folder.journal.read_bytes()
    folder.journal.write_bytes(raw.replace(b'{"journal":2,', b'{"journal":1,', 1))
    with pytest.raises(OutputError, match=r"another version of this program \(journal 1, this one reads 2\)"):
        open_session(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"\n", b"[]\n", b'{"frame":1}\n', b'{"journal":2,"header":{}}\n', b"\xff\x00\n"])
def test_a_journal_without_a_header_is_reported(tmp_path, raw):
    (tmp_path / "journal.jsonl").write_bytes(raw)
    with pytest.raises(OutputError, match="The header of .* is damaged"):
        open_session(tmp_path)


def test_a_journal_with_invalid_rows_is_reported(tmp_path):
    folder = write_session(tmp_path, FRAMES, tables=False)
    raw = folder.journal.read_bytes()
    folder.journal.write_bytes(raw.replace(b'"no_face"', b'"unknown"'))
    with pytest.raises(OutputError, match="is damaged"):
        open_session(tmp_path)


@pytest.mark.parametrize("raw", [None, b"{", b'{"source": 3}'])
def test_a_session_opens_without_metadata(tmp_path, raw):
    folder = write_session(tmp_path, FRAMES)
    folder.metadata.unlink()
    if raw is not None:
        folder.metadata.write_bytes(raw)
    with open_session(tmp_path) as session:
        assert session.metadata is None
        assert "metadata.json is missing or damaged" in session.warnings[0]
        assert len(session.frames) == 6


def test_a_lost_part_of_the_source_is_a_warning(tmp_path):
    folder = write_session(tmp_path, FRAMES)
    raw = json.loads(folder.metadata.read_text(encoding="utf-8"))
    folder.metadata.write_text(json.dumps(raw | {"fault": "camera:0 was unplugged"}), encoding="utf-8")
    with open_session(tmp_path) as session:
        assert "Part of the source was lost: camera:0 was unplugged." in session.warnings


class TestVideo:
    """The choice of the video."""

    @staticmethod
    def original(tmp_path):
        path = tmp_path / "films" / "film.mp4"
        path.parent.mkdir()
        path.write_bytes(b"a film " * 100)
        return path

    def opened(self, path, **options):
        write_session(path, FRAMES, **options)
        return path

    def test_a_recording_comes_first(self, tmp_path):
        original = self.original(tmp_path)
        path = self.opened(tmp_path / "run", source=str(original), mark=source_mark(original))
        for name in ("video.mp4", "annotated.mp4"):
            (path / name).write_bytes(b"x")
        with open_session(path) as session:
            assert session.video == SessionVideo(path / "video.mp4", annotated=False)
            assert session.video_time_at(2) == 0.2
            assert session.warnings == ()

    def test_the_source_file_uses_its_own_clock(self, tmp_path):
        original = self.original(tmp_path)
        path = self.opened(tmp_path / "run", source=str(original), mark=source_mark(original))
        (path / "annotated.mp4").write_bytes(b"x")
        with open_session(path) as session:
            assert session.video == SessionVideo(original, annotated=False)
            assert session.video_time_at(2) == pytest.approx(100.2)

    @pytest.mark.parametrize("place", ["run", "."])
    @pytest.mark.parametrize("has_metadata", [True, False])
    def test_the_source_file_is_found_next_to_a_moved_session(self, tmp_path, place, has_metadata):
        original = self.original(tmp_path)
        path = self.opened(tmp_path / "run", source=str(original), mark=source_mark(original))
        moved = original.rename(tmp_path / place / "film.mp4")
        if not has_metadata:
            (path / "metadata.json").unlink()
        with open_session(path) as session:
            assert session.video is not None
            assert session.video.path.resolve() == moved.resolve()

    def test_a_source_named_relatively_is_found_from_any_folder(self, tmp_path):
        original = self.original(tmp_path)
        path = self.opened(tmp_path / "runs" / "run", source="films/film.mp4", mark=source_mark(original))
        folder = SessionFolder(path)
        metadata = read_metadata(folder.metadata)
        source = dataclasses.replace(metadata.source, path=str(original))
        write_metadata(folder.metadata, dataclasses.replace(metadata, source=source))
        with open_session(path) as session:
            assert session.video == SessionVideo(original, annotated=False)

    def test_another_file_of_the_same_name_is_not_used(self, tmp_path):
        original = self.original(tmp_path)
        path = self.opened(tmp_path / "run", source=str(original), mark=source_mark(original))
        original.write_bytes(b"another film " * 100)
        (path / "annotated.mp4").write_bytes(b"x")
        with open_session(path) as session:
            assert session.video == SessionVideo(path / "annotated.mp4", annotated=True)
            assert session.video_time_at(2) == 0.2
            assert session.warnings == ("film.mp4 was not found or has changed: annotated.mp4 is shown instead.",)

    def test_a_session_without_video_names_the_remedy(self, tmp_path):
        path = self.opened(tmp_path / "run", source="/nowhere/film.mp4", mark="3:aa")
        with open_session(path) as session:
            assert session.video is None
            assert "put film.mp4 into" in session.warnings[0]

    def test_a_camera_session_has_only_its_recording(self, tmp_path):
        path = self.opened(tmp_path / "run", source="camera:0", kind="camera")
        with open_session(path) as session:
            assert session.video is None
            assert session.warnings == ("This session has no video: its results are shown without images.",)


def test_notes_of_another_run_are_a_warning(tmp_path):
    folder = write_session(tmp_path, FRAMES, mark="1:a")
    write_notes(folder, Notes("Ada"))
    with open_session(tmp_path) as session:
        assert not any("review.json" in sentence for sentence in session.warnings)
    write_session(tmp_path, FRAMES, mark="1:b")
    with open_session(tmp_path) as session:
        assert any("review.json belongs to another run" in sentence for sentence in session.warnings)


def test_opening_does_not_change_the_folder(tmp_path):
    folder = write_session(tmp_path, FRAMES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with open_session(SessionFolder(tmp_path).path) as session:
        session.rows_at(3)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before
