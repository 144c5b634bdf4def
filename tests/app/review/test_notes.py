"""Notes: immutable changes, and a file that is atomic, validated and tied to its run."""

import dataclasses
import errno
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.review.notes import (
    HUMAN_LABELS,
    UNCLEAR,
    Event,
    Exclusion,
    FaceName,
    HumanLabel,
    Marker,
    NeutralRange,
    Notes,
    merge_notes,
    notes_match_run,
    read_notes,
    write_notes,
)
from app.session.folder import SessionFolder
from engine.errors import OutputError
from engine.facs import EXPRESSIONS
from tests.fakes.sessions import labelled_face, write_session


def labels(notes, face_id=1):
    return [(each.start_s, each.end_s, each.label) for each in notes.labels if each.face_id == face_id]


def test_human_labels_are_the_expressions_and_unclear():
    assert list(HUMAN_LABELS) == [*EXPRESSIONS, "unclear"]


def test_a_new_label_replaces_what_it_overlaps_of_the_same_face():
    notes = Notes().with_label(HumanLabel(1, 0.0, 10.0, "anger")).with_label(HumanLabel(2, 0.0, 10.0, "fear"))
    notes = notes.with_label(HumanLabel(1, 4.0, 6.0, UNCLEAR))
    assert labels(notes) == [(0.0, 4.0, "anger"), (4.0, 6.0, UNCLEAR), (6.0, 10.0, "anger")]
    assert labels(notes, 2) == [(0.0, 10.0, "fear")]
    notes = notes.with_label(HumanLabel(1, 3.0, 7.0, "sadness"))
    assert labels(notes) == [(0.0, 3.0, "anger"), (3.0, 7.0, "sadness"), (7.0, 10.0, "anger")]
    assert labels(notes.with_label(HumanLabel(1, 0.0, 10.0, "fear"))) == [(0.0, 10.0, "fear")]


@st.composite
def some(draw):
    """Any notes of two faces."""
    spans = st.tuples(st.integers(0, 8), st.integers(1, 4)).map(lambda span: (float(span[0]), float(sum(span))))
    notes = Notes(draw(st.sampled_from(["", "ab", "cd"])))
    for time_s in draw(st.lists(st.integers(0, 5), max_size=3)):
        notes = notes.with_marker(Marker(float(time_s), draw(st.sampled_from(["", "x"]))))
    for span in draw(st.lists(spans, max_size=3)):
        notes = notes.with_exclusion(Exclusion(*span))
    for span in draw(st.lists(spans, max_size=4)):
        label = draw(st.sampled_from(["anger", "fear"]))
        notes = notes.with_label(HumanLabel(draw(st.integers(1, 2)), *span, label))
    for span in draw(st.lists(spans, max_size=3)):
        notes = notes.with_event(Event(*span, draw(st.sampled_from(["a", "b"]))))
    for face_id in draw(st.lists(st.integers(1, 2), max_size=2)):
        notes = notes.with_name(face_id, draw(st.sampled_from(["Ada", "Bo"])))
    for span in draw(st.lists(spans, max_size=2)):
        notes = notes.with_neutral(NeutralRange(draw(st.integers(1, 2)), *span))
    return notes


def test_a_face_has_one_neutral_range():
    first, second = NeutralRange(1, 0.0, 1.0), NeutralRange(1, 3.0, 4.0)
    notes = Notes().with_neutral(first).with_neutral(NeutralRange(2, 0.0, 1.0)).with_neutral(second)
    assert notes.neutral == (second, NeutralRange(2, 0.0, 1.0))
    assert notes.without_neutral(second).neutral == (NeutralRange(2, 0.0, 1.0),)
    with pytest.raises(ValueError, match="two neutral ranges"):
        Notes(neutral=(first, second))
    with pytest.raises(ValueError, match="not a time range"):
        NeutralRange(1, 2.0, 2.0)


def test_the_newer_of_two_neutral_ranges_of_a_face_stays():
    base = Notes().with_neutral(NeutralRange(1, 0.0, 1.0))
    mine, theirs = (base.with_neutral(NeutralRange(1, start_s, 9.0)) for start_s in (2.0, 3.0))
    assert merge_notes(base, mine, theirs).neutral == mine.neutral
    assert merge_notes(base, base, theirs).neutral == theirs.neutral
    assert merge_notes(base, Notes(), theirs).neutral == theirs.neutral
    assert merge_notes(base, Notes(), base).neutral == ()


def covered(notes, face_id):
    return {
        half
        for each in notes.labels
        if each.face_id == face_id
        for half in range(round(each.start_s), round(each.end_s))
    }


@given(some(), some(), some())
def test_merged_notes_hold_what_both_sides_added(base, mine, theirs):
    merged = merge_notes(base, mine, theirs)
    assert {*merged.markers} >= ({*mine.markers} | {*theirs.markers}) - {*base.markers}
    assert not {*merged.markers} & (({*base.markers} - {*mine.markers}) - {*theirs.markers})
    for exclusion in ({*mine.exclusions} | {*theirs.exclusions}) - {*base.exclusions}:
        assert any(other.start_s <= exclusion.start_s and exclusion.end_s <= other.end_s for other in merged.exclusions)
    assert {*merged.labels} >= {*theirs.labels} - {*base.labels}
    for label in {*mine.labels} - {*base.labels}:
        assert covered(merged, label.face_id) >= covered(Notes(labels=(label,)), label.face_id)


@given(some(), some())
def test_merging_without_a_second_change_gives_the_first(base, changed):
    assert merge_notes(base, changed, base) == changed
    assert merge_notes(base, base, changed) == changed
    assert merge_notes(base, changed, changed) == changed


def test_adjacent_labels_stay_separate():
    notes = Notes().with_label(HumanLabel(1, 5.0, 6.0, "anger")).with_label(HumanLabel(1, 4.0, 5.0, "anger"))
    assert labels(notes) == [(4.0, 5.0, "anger"), (5.0, 6.0, "anger")]
    assert notes.label_at(1, 4.99) == notes.labels[0]
    assert notes.label_at(1, 5.0) == notes.labels[1]
    assert notes.label_at(1, 6.0) is None
    assert notes.label_at(2, 5.5) is None


def test_overlapping_and_adjacent_exclusions_merge():
    notes = Notes()
    for start_s, end_s in ((8.0, 9.0), (1.0, 3.0), (3.0, 4.0), (2.0, 2.5)):
        notes = notes.with_exclusion(Exclusion(start_s, end_s))
    assert notes.exclusions == (Exclusion(1.0, 4.0), Exclusion(8.0, 9.0))
    assert notes.with_exclusion(Exclusion(0.0, 10.0)).exclusions == (Exclusion(0.0, 10.0),)
    assert notes.excluded(np.array([0.9, 1.0, 3.9, 4.0, 8.5])).tolist() == [False, True, True, False, True]
    assert notes.is_excluded(3.0)
    assert not notes.is_excluded(5.0)


def test_markers_are_sorted_and_unique():
    notes = Notes().with_marker(Marker(5.0, "b")).with_marker(Marker(1.0, "a")).with_marker(Marker(5.0, "b"))
    assert [each.text for each in notes.markers] == ["a", "b"]


def test_names_are_one_per_face():
    notes = Notes().with_name(2, " Bo ").with_name(1, "Ada").with_name(2, "Ada")
    assert [(name.face_id, name.name) for name in notes.names] == [(1, "Ada"), (2, "Ada")]
    assert (notes.name_of(1), notes.name_of(3), notes.name_of(None)) == ("Ada", "", "")
    assert notes.with_name(1, "  ").names == notes.names[1:]
    with pytest.raises(ValueError, match="two names"):
        Notes(names=(FaceName(1, "Ada"), FaceName(1, "Bo")))
    with pytest.raises(ValueError, match="blank"):
        FaceName(1, " ")


def test_events_of_one_code_merge_if_they_overlap():
    notes = Notes()
    for start_s, end_s, code in ((5.0, 6.0, "a"), (1.0, 3.0, "a"), (2.0, 4.0, "b"), (2.9, 3.5, "a")):
        notes = notes.with_event(Event(start_s, end_s, code))
    assert notes.events == (Event(1.0, 3.5, "a"), Event(2.0, 4.0, "b"), Event(5.0, 6.0, "a"))
    assert notes.without_event(notes.events[1]).events == (notes.events[0], notes.events[2])
    with pytest.raises(ValueError, match="blank"):
        Event(0.0, 1.0, "")


def test_two_events_without_a_pause_stay_two(tmp_path):
    """As two presentations of one stimulus: their number and their lengths are what a coder counts."""
    notes = Notes()
    for start_s, end_s in ((2.0, 4.0), (1.0, 2.0), (4.0, 5.0)):
        notes = notes.with_event(Event(start_s, end_s, "a"))
    assert [(event.start_s, event.end_s) for event in notes.events] == [(1.0, 2.0), (2.0, 4.0), (4.0, 5.0)]
    folder = SessionFolder(tmp_path)
    write_notes(folder, notes)
    assert read_notes(folder) == notes


def test_both_windows_keep_their_names_and_events():
    base = Notes().with_name(1, "Ada").with_event(Event(0.0, 1.0, "a"))
    mine = base.with_name(1, "Eve").with_event(Event(2.0, 3.0, "a"))
    theirs = base.with_name(1, "Bo").with_name(2, "Cy").without_event(base.events[0])
    merged = merge_notes(base, mine, theirs)
    assert [(name.face_id, name.name) for name in merged.names] == [(1, "Eve"), (2, "Cy")]
    assert merged.events == (Event(2.0, 3.0, "a"),)
    assert merge_notes(base, base.with_name(1, ""), theirs).name_of(1) == "Bo"
    assert merge_notes(base, base.with_name(1, ""), base).names == ()


def test_removing_restores_the_notes_and_ignores_missing_ones():
    marker, exclusion, label = Marker(1.0, "x"), Exclusion(1.0, 2.0), HumanLabel(1, 0.0, 1.0, "fear")
    full = Notes("Ada").with_marker(marker).with_exclusion(exclusion).with_label(label)
    empty = full.without_marker(marker).without_exclusion(exclusion).without_label(label)
    assert empty == Notes("Ada")
    assert empty.without_marker(marker).without_exclusion(exclusion).without_label(label) == empty
    assert full.with_coder("Bo").coder == "Bo"


@pytest.mark.parametrize(
    "make",
    [
        lambda: HumanLabel(1, 2.0, 2.0, "anger"),
        lambda: HumanLabel(1, 0.0, 1.0, "happy"),
        lambda: Exclusion(3.0, 1.0),
        lambda: Exclusion(-1.0, 1.0),
        lambda: Exclusion(0.0, float("inf")),
        lambda: Marker(float("nan"), ""),
        lambda: Notes(labels=(HumanLabel(1, 0.0, 2.0, "anger"), HumanLabel(1, 1.0, 3.0, "fear"))),
    ],
)
def test_invalid_notes_cannot_be_created(make):
    with pytest.raises(ValueError, match=r"is not a time range|is none of|two labels"):
        make()


def some_notes():
    notes = Notes("Zoë").with_marker(Marker(1.25, 'says "hi",\nleaves'))
    notes = notes.with_exclusion(Exclusion(0.1, 0.7)).with_exclusion(Exclusion(2.0, 3.0))
    notes = notes.with_name(3, "Åsa").with_event(Event(0.5, 1.5, "stimulus 1"))
    return notes.with_label(HumanLabel(3, 0.5, 1.5, "contempt")).with_label(HumanLabel(1, 0.5, 2.5, UNCLEAR))


def test_saved_notes_are_read_back_unchanged(tmp_path):
    folder = SessionFolder(tmp_path)
    assert read_notes(folder) == Notes()
    write_notes(folder, some_notes())
    assert read_notes(folder) == some_notes()
    assert [path.name for path in tmp_path.iterdir()] == ["review.json"]


def test_a_file_of_the_first_version_is_read_whatever_its_order(tmp_path):
    (tmp_path / "review.json").write_text(
        """{
 "review": 1,
 "run": "0123456789abcdef",
 "coder": "Zo\\u00eb",
 "markers": [{"time_s": 3, "text": "door"}, {"time_s": 1.25, "text": ""}],
 "exclusions": [{"start_s": 2.0, "end_s": 3.0}, {"start_s": 0.1, "end_s": 0.7}],
 "labels": [
  {"face_id": 3, "start_s": 2.0, "end_s": 2.5, "label": "fear"},
  {"face_id": 3, "start_s": 0.5, "end_s": 1.5, "label": "unclear"}
 ]
}
""",
        encoding="utf-8",
    )
    assert read_notes(SessionFolder(tmp_path)) == Notes(
        "Zoë",
        (Marker(1.25, ""), Marker(3.0, "door")),
        (Exclusion(0.1, 0.7), Exclusion(2.0, 3.0)),
        (HumanLabel(3, 0.5, 1.5, UNCLEAR), HumanLabel(3, 2.0, 2.5, "fear")),
    )


def test_a_full_disk_keeps_the_previous_notes(tmp_path, monkeypatch):
    folder = SessionFolder(tmp_path)
    write_notes(folder, some_notes())

    def full(part, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.files.publish", full)
    with pytest.raises(OutputError, match=r"No space left on device\): free space"):
        write_notes(folder, Notes("other"))
    assert read_notes(folder) == some_notes()
    assert [path.name for path in tmp_path.iterdir()] == ["review.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("labels"),
        lambda raw: raw.update(coder=3),
        lambda raw: raw.update(markers=None),
        lambda raw: raw["labels"][0].update(label="happy"),
        lambda raw: raw["labels"].append(dict(raw["labels"][0])),
        lambda raw: raw["exclusions"][0].update(end_s="soon"),
        lambda raw: raw["markers"].append({"time_s": 10**400, "text": ""}),
        lambda raw: raw["labels"][0].update(face_id=float("inf")),
    ],
)
def test_a_damaged_file_is_reported_and_kept(tmp_path, change):
    folder = SessionFolder(tmp_path)
    write_notes(folder, some_notes())
    raw = json.loads(folder.notes.read_text(encoding="utf-8"))
    change(raw)
    folder.notes.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(OutputError, match=r"review\.json is (damaged|not valid JSON) .*: repair it, or move it away"):
        read_notes(folder)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_not_json_is_reported(tmp_path, raw):
    (tmp_path / "review.json").write_bytes(raw)
    with pytest.raises(OutputError, match="move it away to start new notes"):
        read_notes(SessionFolder(tmp_path))
    assert notes_match_run(SessionFolder(tmp_path))


def test_a_file_of_a_later_version_is_reported(tmp_path):
    (tmp_path / "review.json").write_text('{"review": 2}', encoding="utf-8")
    with pytest.raises(OutputError, match="update the program"):
        read_notes(SessionFolder(tmp_path))


def test_notes_are_tied_to_the_run_they_were_made_on(tmp_path):
    frames = [(labelled_face(1, "anger"),)] * 3
    folder = write_session(tmp_path, frames, mark="9:aa")
    assert notes_match_run(folder)
    write_notes(folder, some_notes())
    assert notes_match_run(folder)
    write_session(tmp_path, frames, mark="9:aa")  # the same run again
    assert notes_match_run(folder)
    write_session(tmp_path, frames, mark="9:bb")  # another source file
    assert not notes_match_run(folder)


def test_live_runs_are_distinguished_by_their_start(tmp_path):
    folder = write_session(tmp_path, [()], mark="")
    write_notes(folder, some_notes())
    assert notes_match_run(folder)
    raw = json.loads(folder.metadata.read_text(encoding="utf-8"))
    folder.metadata.write_text(json.dumps(raw | {"start": "2025-01-01T00:00:00+00:00"}), encoding="utf-8")
    assert not notes_match_run(folder)


def test_notes_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        some_notes().coder = "x"
