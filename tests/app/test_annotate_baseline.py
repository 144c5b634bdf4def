"""The neutral baseline of faces in annotated files: tables, metadata, resuming, and what cannot have one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.annotate import AnnotateOptions
from app.cluster.records import WorkerSetup, from_json, to_json
from app.export.job import ExportChoice, ExportJob
from app.overlay.overlay import Overlay, OverlayParts
from app.review.notes import Notes
from app.review.session import open_session
from app.session.baselines import NeutralFrames
from app.session.folder import SessionFolder
from app.session.metadata import read_metadata
from app.session.rows import SessionHeader
from engine.baseline import PRIOR_FRAMES
from engine.capture.source import SourceKind
from engine.config import ActionUnitsConfig, EngineConfig
from engine.errors import ConfigError, OutputError
from engine.types import Frame, FrameResult
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.faces import UNITS, fake_face, fake_result
from tests.fakes.sessions import Annotator

_CALM_FRAMES = 20
_AUTO = NeutralFrames()


@dataclasses.dataclass
class Sitter(FakePipeline):
    """One face, neutral in the first frames and then happy; heavy brows all along, of intensity 1.6."""

    graded: bool = True

    def process(self, frame: Frame, tentative: bool = False) -> FrameResult:
        super().process(frame)
        labels = ("neutral",) if frame.index < _CALM_FRAMES else ("happiness",)
        return fake_result(frame, fake_face(labels=labels, occurrence=(0.4,) * UNITS, graded=True))


def _table(folder: SessionFolder) -> list[dict[str, object]]:
    return [{**row, "latency_ms": 0} for row in pq.read_table(folder.parquet).to_pylist()]


def test_the_baseline_of_the_whole_track_counts_for_its_first_frame_too(run_annotate: Annotator) -> None:
    assert run_annotate(Sitter(), baseline=_AUTO, video=False).finished
    rows = _table(run_annotate.folder)
    assert {row["au_baseline"] for row in rows} == {"known"}
    assert {row["au_baseline_frames"] for row in rows} == {_CALM_FRAMES}
    assert {row["au_04"] for row in rows} == {0.4}  # of the model, as without a baseline
    (corrected,) = {row["au_04_b"] for row in rows}
    assert isinstance(corrected, float)
    assert corrected < 0.4
    subtracted = 1.6 * _CALM_FRAMES / (_CALM_FRAMES + PRIOR_FRAMES)
    assert {row["au_04_i"] for row in rows} == {1.6}
    (above,) = {row["au_04_b_i"] for row in rows}
    assert above == pytest.approx(5 * (1.6 - subtracted) / (5 - subtracted), rel=1e-5)
    metadata = json.loads(run_annotate.folder.metadata.read_text())["au_baselines"]
    assert metadata["frames"] == "auto"
    (face,) = metadata["faces"]
    assert (face["face_id"], face["state"], face["frames"], len(face["shift"])) == (1, "known", _CALM_FRAMES, UNITS)
    assert face["intensity"] == pytest.approx([subtracted] * UNITS, rel=1e-5)


def test_without_the_option_nothing_changes(run_annotate: Annotator) -> None:
    run_annotate(Sitter(), video=False)
    assert not any(name.startswith("au_baseline") for name in _table(run_annotate.folder)[0])
    assert read_metadata(run_annotate.folder.metadata).au_baselines is None


@pytest.mark.parametrize("baseline", [_AUTO, NeutralFrames((0.5, 2.5))])
def test_a_resumed_session_has_the_same_table(run_annotate: Annotator, tmp_path: Path, baseline: NeutralFrames) -> None:
    with contextlib.suppress(RuntimeError):
        run_annotate(Sitter(fail_at=25), baseline=baseline, video=False)
    assert run_annotate(Sitter(), baseline=baseline, video=False, resume=True).finished
    whole = Annotator(SessionFolder(tmp_path / "whole"))
    whole(Sitter(), baseline=baseline, video=False)
    assert _table(run_annotate.folder) == _table(whole.folder)
    assert read_metadata(run_annotate.folder.metadata).au_baselines == read_metadata(whole.folder.metadata).au_baselines


@pytest.mark.parametrize("fail_at", [None, 25])
def test_another_baseline_is_neither_resumed_nor_skipped(run_annotate: Annotator, fail_at: int | None) -> None:
    with contextlib.suppress(RuntimeError):
        run_annotate(Sitter(fail_at=fail_at), baseline=_AUTO, video=False)
    with pytest.raises(OutputError, match=r"another au_baseline \(auto, now 1-3\)"):
        run_annotate(Sitter(), baseline=NeutralFrames((1, 3)), video=False, resume=True)


def test_images_cannot_have_a_baseline(run_annotate: Annotator) -> None:
    source = FakeSource(3)
    source.info = dataclasses.replace(source.info, kind=SourceKind.PICTURES)
    with pytest.raises(ConfigError, match="is images: a baseline needs a face over time"):
        run_annotate(Sitter(), source, baseline=NeutralFrames((0, 2)), video=False)


def test_an_automatic_baseline_leaves_images_as_they_are(run_annotate: Annotator) -> None:
    source = FakeSource(3)
    source.info = dataclasses.replace(source.info, kind=SourceKind.PICTURES)
    assert run_annotate(Sitter(), source, baseline=_AUTO, video=False).finished
    assert "au_baseline" not in _table(run_annotate.folder)[0]
    assert run_annotate(Sitter(), source, baseline=_AUTO, video=False, resume=True).skipped


def test_review_shows_the_values_of_the_table(run_annotate: Annotator) -> None:
    run_annotate(Sitter(), baseline=_AUTO, video=False)
    row = _table(run_annotate.folder)[0]
    with open_session(run_annotate.folder.path) as session:
        (shown,) = session.rows_at(0)
        names = [f"au_{code:02d}_b" for code in session.header.au_codes]
    assert shown.occurrence == tuple(row[name] for name in names)
    assert shown.occurrence_std == tuple(row[f"{name}_sd"] for name in names)
    assert shown.intensity == tuple(row[f"{name}_i"] for name in names)


def test_review_reads_the_table_with_the_columns_of_the_baseline(run_annotate: Annotator) -> None:
    run_annotate(Sitter(), baseline=_AUTO, video=False)
    with open_session(run_annotate.folder.path) as session:
        assert not any("faces.parquet" in warning for warning in session.warnings)
        assert len(session.frames) == 35


def test_a_session_from_before_intensities_were_corrected_opens_and_exports_as_before(run_annotate: Annotator) -> None:
    run_annotate(Sitter(), baseline=_AUTO, video=False)
    folder = run_annotate.folder
    record = json.loads(folder.metadata.read_text())
    for face in record["au_baselines"]["faces"]:
        del face["intensity"]
    folder.metadata.write_text(json.dumps(record))
    table = pq.read_table(folder.parquet)
    pq.write_table(table.select([name for name in table.column_names if not name.endswith("_b_i")]), folder.parquet)
    with open_session(folder.path) as session:
        assert not any("faces.parquet" in warning for warning in session.warnings)
        (shown,) = session.rows_at(0)
        job = ExportJob(session, Notes(), ExportChoice(all_units=True), lambda: False)
        (row,) = next(job.frames(lambda share: None)).rows
    assert set(shown.intensity) == set(job.unit_intensities(row).values()) == {1.6}
    assert max(shown.occurrence) < 0.4
    assert row.corrected_intensity == ()


@pytest.mark.parametrize(("baseline", "has_units"), [(None, True), (_AUTO, False)])
def test_the_video_has_no_units_while_their_baseline_is_not_known(
    run_annotate: Annotator, monkeypatch: pytest.MonkeyPatch, baseline: NeutralFrames | None, has_units: bool
) -> None:
    drawn: list[bool] = []

    class Recorded(Overlay):
        def __init__(self, header: SessionHeader, parts: OverlayParts | None = None) -> None:
            super().__init__(header, parts)
            drawn.append((parts or OverlayParts()).units)

    monkeypatch.setattr("app.session.video.Overlay", Recorded)
    run_annotate(Sitter(), baseline=baseline)
    assert drawn == [has_units]


def test_a_worker_gets_the_baseline() -> None:
    options = AnnotateOptions("0.1", baseline=NeutralFrames((5.0, 12.0)))
    setup = WorkerSetup(options, EngineConfig(action_units=ActionUnitsConfig("auto")), "litert")
    assert from_json(WorkerSetup, to_json(setup)) == setup
