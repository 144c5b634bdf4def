"""metadata.json: written and read back, and what happens when it is damaged."""

import dataclasses
import json

import pytest

from app.session.folder import SessionFolder, SessionState
from app.session.metadata import FrameCounts, Metadata, SourceRecord, read_metadata, write_metadata
from engine.errors import OutputError
from engine.types import ModelRecord

METADATA = Metadata(
    SourceRecord("film.mp4", "video", "ab", 640, 360, 25.0, "cfr"),
    "1.0",
    (ModelRecord("m", "expression", "ff", "onnxruntime", "CPU"),),
    {"tau_accept": 1.0, "tau_ood": 0.95},
    {"expression": {"quantiles": [0.1, 0.2]}},
    ("neutral", "happiness"),
    (1, 12),
    (12,),
    "litert",
    {"tracking": {"threads": 1}},
    "2024-01-01T00:00:00+00:00",
    frames=FrameCounts(3, 2, 1, 0),
    resumed_at=(2,),
    completed=True,
)


def test_metadata_are_read_as_they_were_written(tmp_path):
    for metadata in (METADATA, dataclasses.replace(METADATA, frames=None, completed=False, fault="cut off")):
        write_metadata(tmp_path / "metadata.json", metadata)
        assert read_metadata(tmp_path / "metadata.json") == metadata


def changed(tmp_path, **changes):
    write_metadata(tmp_path / "metadata.json", METADATA)
    raw = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8")) | changes
    (tmp_path / "metadata.json").write_text(json.dumps(raw), encoding="utf-8")
    return tmp_path / "metadata.json"


def test_keys_of_later_versions_are_ignored(tmp_path):
    assert read_metadata(changed(tmp_path, later={"x": 1})) == METADATA


def test_whole_numbers_count_as_floats(tmp_path):
    assert read_metadata(changed(tmp_path, thresholds={"tau_accept": 1, "tau_ood": 0.95})) == METADATA


@pytest.mark.parametrize(
    "changes",
    [
        {"source": None},
        {"source": {"source": "x"}},
        {"models": [{"name": "m"}]},
        {"models": {}},
        {"labels": [1, 2]},
        {"labels": "neutral"},
        {"au_codes": [1.5]},
        {"completed": 1},
        {"frames": 3},
        {"thresholds": {"tau_accept": True}},
        {"thresholds": []},
        {"thresholds": {"tau_accept": 10**400}},
        {"fault": 3},
    ],
)
def test_values_of_another_type_are_an_error_that_names_them(tmp_path, changes):
    with pytest.raises(OutputError, match=rf"is damaged \(.*{next(iter(changes))}.*copy the folder again"):
        read_metadata(changed(tmp_path, **changes))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"3", b"\xff", b"NaN", b"[" * 100_000])
def test_a_damaged_file_is_an_error_and_does_not_make_a_session(tmp_path, raw):
    (tmp_path / "metadata.json").write_bytes(raw)
    with pytest.raises(OutputError, match="(is damaged|is not valid JSON).*copy the folder again"):
        read_metadata(tmp_path / "metadata.json")
    assert SessionFolder(tmp_path).state() is SessionState.EMPTY


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="is missing: copy the folder again"):
        read_metadata(tmp_path / "metadata.json")
