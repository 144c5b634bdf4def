"""Exports of a review: complete, apart from the model's files, and atomic."""

import csv
import errno
import io
import json
from pathlib import Path

import numpy as np
import pytest

from app.export import videos
from app.export.export import export
from app.export.formats import FORMATS
from app.export.job import ExportChoice
from app.remedies import cli_text, window_text
from app.review.clip import ClipReader
from app.review.notes import UNCLEAR, Exclusion, HumanLabel, Marker, Notes
from app.review.session import open_session
from app.session.video import VideoSink
from engine.errors import OutputError, Remedy, SourceError
from engine.types import Frame
from tests.fakes.sessions import labelled_face, write_session

FRAMES = [(), *[(labelled_face(1, "anger"), labelled_face(2, "fear", "anger"))] * 60, (labelled_face(2),)]
NOTES = (
    Notes("Ada")
    .with_label(HumanLabel(1, 0.15, 0.35, "anger"))
    .with_label(HumanLabel(1, 0.5, 0.6, UNCLEAR))
    .with_label(HumanLabel(2, 0.0, 99.0, "fear"))
    .with_exclusion(Exclusion(0.2, 0.4))
    .with_marker(Marker(0.3, "=look, here"))
)
ALL = ExportChoice(("csv", "notes", "agreement"))


@pytest.fixture
def session(tmp_path):
    write_session(tmp_path / "run", FRAMES)
    with open_session(tmp_path / "run") as opened:
        yield opened


def run(session, choice, folder, notes=NOTES, report=lambda share: None, cancelled=lambda: False):
    return export(session, notes, choice, folder, report, cancelled)


def rows_of(path):
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_the_table_is_the_models_with_three_more_columns(session, tmp_path):
    written = run(session, ExportChoice(("csv",)), tmp_path / "out")
    assert written == (tmp_path / "out" / "reviewed_faces.csv",)
    rows, model = rows_of(written[0]), rows_of(session.folder.csv)
    assert [row[:-3] for row in rows] == model
    assert rows[0][-3:] == ["human_label", "excluded", "person"]
    added = {(int(row[1]), row[4]): (row[-3], row[-2]) for row in rows[1:]}
    assert added[0, ""] == ("", "0")
    assert [added[frame, "1"] for frame in (1, 2, 3, 4, 5, 6)] == [
        ("", "0"),
        ("anger", "1"),
        ("anger", "1"),
        ("", "0"),
        ("unclear", "0"),
        ("", "0"),
    ]
    assert all(added[frame, "2"][0] == "fear" for frame in range(1, 62))


def test_excluded_frames_can_be_left_out(session, tmp_path):
    (path,) = run(session, ExportChoice(("csv",), without_excluded=True), tmp_path / "out")
    frames = {int(row[1]) for row in rows_of(path)[1:]}
    assert frames == set(range(62)) - {2, 3}


def test_an_incomplete_session_gives_the_same_table(session, tmp_path):
    write_session(tmp_path / "open", FRAMES, tables=False, completed=False)
    (whole,) = run(session, ExportChoice(("csv",)), tmp_path / "a")
    with open_session(tmp_path / "open") as unfinished:
        (path,) = run(unfinished, ExportChoice(("csv",)), tmp_path / "b")
    assert path.read_bytes() == whole.read_bytes()


def test_notes_are_one_line_each_ordered_by_time(session, tmp_path):
    (path,) = run(session, ExportChoice(("notes",)), tmp_path / "out")
    assert rows_of(path) == [
        ["kind", "start_s", "end_s", "face_id", "text", "coder"],
        ["label", "0.0", "99.0", "2", "fear", "Ada"],
        ["label", "0.15", "0.35", "1", "anger", "Ada"],
        ["exclusion", "0.2", "0.4", "", "", "Ada"],
        ["marker", "0.3", "", "", "'=look, here", "Ada"],
        ["label", "0.5", "0.6", "1", "unclear", "Ada"],
    ]


def test_the_agreement_names_its_session_and_model(session, tmp_path):
    choice = ExportChoice(("agreement",))
    (path,) = run(session, choice, tmp_path / "out", NOTES.without_exclusion(NOTES.exclusions[0]))
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert raw["source_id"] == "clip.mp4"
    assert raw["coder"] == "Ada"
    assert raw["frames_compared"] == sum(map(sum, raw["table_human_by_model"])) == 62
    assert raw["frames_unclear"] == 1
    assert raw["frames_not_assessed"] == 1
    assert raw["kappa"] == pytest.approx(1.0)
    assert raw["interval_95"] == pytest.approx([1.0, 1.0])
    (path,) = run(session, choice, tmp_path / "other")
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert raw["kappa"] is None
    assert raw["kappa_missing"].startswith("You and the model used a single label")


def test_agreement_without_labels_is_refused_before_writing(session, tmp_path):
    with pytest.raises(OutputError, match="There are no labels"):
        run(session, ALL, tmp_path / "out", Notes())
    assert not (tmp_path / "out").exists()


def test_existing_files_are_kept_unless_replacing_is_allowed(session, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "reviewed_notes.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"reviewed_notes\.csv exists") as caught:
        run(session, ALL, out)
    assert window_text(caught.value).endswith("exists: choose another folder, or allow replacing files")
    assert cli_text(caught.value).endswith("exists: use --force to replace it, or choose another --out")
    assert [path.name for path in out.iterdir()] == ["reviewed_notes.csv"]
    assert len(run(session, ExportChoice(replace=True), out)) == 2
    assert (out / "reviewed_notes.csv").read_text(encoding="utf-8").startswith("kind,")


def test_a_truncated_journal_gives_no_table(session, tmp_path):
    lines = session.folder.journal.read_bytes().splitlines(keepends=True)
    session.folder.journal.write_bytes(b"".join(lines[:30]))
    with pytest.raises(OutputError, match="has changed: open the session again"):
        run(session, ExportChoice(("csv",)), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_name_that_is_too_long_is_reported(session):
    with pytest.raises(OutputError, match=r"cannot be written \(File name too long\).*choose another folder"):
        run(session, ALL, Path("x" * 5000))


def test_notes_that_are_not_utf8_are_exported(session, tmp_path):
    (path,) = run(session, ExportChoice(("notes",)), tmp_path / "out", Notes("\udce9").with_marker(Marker(1.0, "a")))
    assert rows_of(path)[1] == ["marker", "1.0", "", "", "a", "?"]


def test_the_models_files_are_unchanged(session):
    folder = session.folder.path
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    written = run(session, ALL, folder)
    assert {path.name for path in written} == {"reviewed_faces.csv", "reviewed_notes.csv", "agreement.json"}
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_progress_rises_to_one(session, tmp_path):
    shares = []
    run(session, ALL, tmp_path / "out", report=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(shares) > 3


def test_a_cancelled_export_leaves_no_partial_file(session, tmp_path):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 2

    assert run(session, ALL, tmp_path / "out", cancelled=cancelled) == ()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("choice", [ExportChoice(("csv",)), ExportChoice(("notes",)), ExportChoice(("agreement",))])
def test_a_full_disk_leaves_no_partial_file_and_names_the_remedy(session, tmp_path, monkeypatch, choice):
    def full(part, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.files.publish", full)
    with pytest.raises(OutputError, match=r"No space left on device\): free space or choose another folder"):
        run(session, choice, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_created_is_reported(session, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="choose another folder"):
        run(session, ExportChoice(), tmp_path / "file" / "out")


def test_a_changed_journal_is_reported(session, tmp_path):
    write_session(session.folder.path, FRAMES, indices=range(5, 5 + len(FRAMES)))
    with pytest.raises(OutputError, match="has changed: open the session again"):
        run(session, ExportChoice(), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def level(position):
    return 40 + 2 * position


@pytest.fixture
def recorded(tmp_path):
    """A recording whose frames are grey and get brighter."""
    folder = write_session(tmp_path / "run", FRAMES)
    sink = VideoSink(folder.recording, None)
    sink.open()
    for position in range(len(FRAMES)):
        image = np.full((120, 160, 3), level(position), np.uint8)
        sink.write_rows(Frame(image, position, position / 10, "clip.mp4"), ())
    sink.close(completed=True)
    sink.publish()
    with open_session(folder.path) as opened:
        yield opened


VIDEO = ExportChoice(("video",))


def test_the_video_is_the_original_with_the_overlay(recorded, tmp_path):
    (path,) = run(recorded, VIDEO, tmp_path / "out")
    assert path.name == "reviewed.mp4"
    clip, clean = ClipReader(path), ClipReader(recorded.folder.recording)
    for position in (0, 30, 61):
        drawn, plain = (reader.image_at(position / 10).astype(int) for reader in (clip, clean))
        assert np.median(drawn) == pytest.approx(level(position), abs=6)
        assert (abs(drawn - plain) > 40).mean() > 0.02  # the overlay
    clip.close()
    clean.close()


def test_the_video_freezes_over_excluded_ranges(recorded, tmp_path):
    notes = Notes().with_exclusion(Exclusion(1.0, 5.0))
    choice = ExportChoice(("video",), without_excluded=True)
    (path,) = run(recorded, choice, tmp_path / "out", notes)
    clip = ClipReader(path)
    assert [np.median(clip.image_at(time_s)) for time_s in (0.9, 3.0, 4.9, 5.0)] == pytest.approx(
        [level(9), level(9), level(9), level(50)], abs=6
    )
    clip.close()


def test_the_video_needs_one_without_overlay(session, tmp_path):
    with pytest.raises(OutputError, match=r"Video with overlay needs the original video: put clip\.mp4 into"):
        run(session, VIDEO, tmp_path / "out")
    (session.folder.video).write_bytes(b"x")
    with open_session(session.folder.path) as annotated, pytest.raises(OutputError, match="needs the original video"):
        run(annotated, VIDEO, tmp_path / "out")


def test_a_cancelled_video_leaves_no_partial_file(recorded, tmp_path):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 2

    assert run(recorded, VIDEO, tmp_path / "out", cancelled=cancelled) == ()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_video_on_a_full_disk_leaves_no_partial_file(recorded, tmp_path, monkeypatch):
    class FullSink(VideoSink):
        def write_rows(self, frame, rows):
            if frame.index == 5:
                raise OutputError("reviewed.mp4 cannot be written (No space left on device)", Remedy.FREE_SPACE)
            super().write_rows(frame, rows)

    monkeypatch.setattr(videos, "VideoSink", FullSink)
    with pytest.raises(OutputError, match=r"reviewed\.mp4 cannot be written .*free space or choose another folder"):
        run(recorded, VIDEO, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_video_is_reported_and_leaves_no_partial_file(session, tmp_path):
    session.folder.recording.write_bytes(b"no video")
    with open_session(session.folder.path) as broken, pytest.raises(SourceError, match="no video that can be read"):
        run(broken, VIDEO, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_video_of_the_session_is_never_overwritten(recorded):
    path = recorded.folder.recording.rename(recorded.folder.path / "reviewed.mp4")
    recorded.video = type(recorded.video)(path, annotated=False)
    choice = ExportChoice(("video",), replace=True)
    with pytest.raises(OutputError, match="is the video of this session"):
        run(recorded, choice, recorded.folder.path)


PLAIN = tuple(item for item in FORMATS if item.name not in ("agreement", "notes"))


@pytest.mark.parametrize("item", PLAIN, ids=lambda item: item.name)
def test_a_cancelled_format_leaves_nothing(recorded, tmp_path, item):
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) == 2

    assert run(recorded, ExportChoice((item.name,)), tmp_path / "out", cancelled=cancelled) == ()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("item", FORMATS, ids=lambda item: item.name)
def test_a_format_that_cannot_be_finished_keeps_the_earlier_files(recorded, tmp_path, monkeypatch, item):
    written = run(recorded, ExportChoice((item.name,)), tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {path for path in written if path.is_file()} <= set(before)

    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.files.publish", full)
    monkeypatch.setattr("app.session.video.publish", full)
    monkeypatch.setattr(Path, "replace", full)  # of folders
    with pytest.raises(OutputError, match=r"No space left on device\): free space or choose another folder"):
        run(recorded, ExportChoice((item.name,), replace=True), tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("item", [item for item in PLAIN if item.name != "video"], ids=lambda item: item.name)
def test_a_changed_journal_is_reported_in_every_format(recorded, tmp_path, item):
    write_session(recorded.folder.path, FRAMES, indices=range(5, 5 + len(FRAMES)))
    with pytest.raises(OutputError, match="has changed: open the session again"):
        run(recorded, ExportChoice((item.name,)), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
