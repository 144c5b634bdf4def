"""`mien export-results` and `mien annotate --format`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.export.formats import FORMATS
from app.review.notes import write_notes
from app.session.folder import SessionFolder
from tests.app.export.conftest import FRAMES, NOTES
from tests.fakes.sessions import write_session


def mien(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def runs(tmp_path):
    for name in ("one", "two"):
        write_notes(write_session(tmp_path / "runs" / name, FRAMES), NOTES)
    return tmp_path / "runs"


def test_a_session_is_exported_into_itself(runs) -> None:
    done = mien("export-results", runs / "one", "--format", "elan", "--format", "srt,agreement")
    assert done.exit_code == 0, done.output
    names = {path.name for path in (runs / "one" / "export").iterdir()}
    assert names == {"elan.eaf", "captions.srt", "agreement.json"}
    assert all(str(runs / "one" / "export" / name) in done.stdout for name in names)


def test_all_sessions_of_a_folder_are_exported_side_by_side(runs, tmp_path) -> None:
    done = mien("export-results", runs, "--format", "openface", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert [str(path.relative_to(tmp_path / "out")) for path in sorted((tmp_path / "out").rglob("*.csv"))] == [
        "one/openface.csv",
        "two/openface.csv",
    ]


def test_every_format_that_needs_no_video_can_be_written(runs) -> None:
    done = mien("export-results", runs / "one", "--format", "all", "--format", "agreement")
    assert done.exit_code == 0, done.output
    for item in FORMATS:
        if item.name not in ("video", "blurred"):
            assert all((runs / "one" / "export" / name).exists() for name in item.files)


def test_files_of_an_earlier_export_are_kept_without_force(runs) -> None:
    assert mien("export-results", runs / "one", "--format", "srt").exit_code == 0
    done = mien("export-results", runs / "one", "--format", "srt")
    assert done.exit_code == 2
    assert "use --force to replace it" in " ".join(done.stderr.split())
    assert mien("export-results", runs / "one", "--format", "srt", "--force").exit_code == 0


def test_a_session_that_fails_does_not_stop_the_others(runs) -> None:
    SessionFolder(runs / "one").journal.write_text("no journal\n", encoding="utf-8")
    done = mien("export-results", runs, "--format", "srt")
    assert done.exit_code == 2
    assert "header" in done.stderr
    assert (runs / "two" / "export" / "captions.srt").exists()


def test_a_folder_without_a_session_is_refused(tmp_path) -> None:
    done = mien("export-results", tmp_path, "--format", "srt")
    assert done.exit_code == 2
    assert "is not a session and holds none" in " ".join(done.stderr.split())


def test_an_unknown_format_is_refused(runs) -> None:
    done = mien("export-results", runs / "one", "--format", "xml")
    assert done.exit_code == 2
    assert "'xml' is not a format" in done.stderr


def test_the_list_names_every_format() -> None:
    done = mien("export-results", "--list")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [item.name for item in FORMATS]


def test_the_help_names_every_format() -> None:
    text = " ".join(mien("export-results", "--help").output.replace("│", " ").split())
    assert all(f"{item.name}" in text for item in FORMATS)


def test_without_a_format_nothing_is_written(runs) -> None:
    assert mien("export-results", runs / "one").exit_code == 2
    assert not (runs / "one" / "export").exists()


def test_options_reach_the_files(runs) -> None:
    done = mien("export-results", runs / "one", "--format", "csv", "--excel", "--without-excluded")
    assert done.exit_code == 0, done.output
    data = (runs / "one" / "export" / "reviewed_faces.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert len(data.splitlines()) == 1 + sum(max(len(faces), 1) for faces in FRAMES) - 2


@pytest.mark.slow
def test_annotate_exports_what_the_session_has(tmp_path, face_models) -> None:
    done = mien(
        "annotate", "demo", "--out", tmp_path, "--preset", "speed", "--format", "openface,html", "--format", "agreement"
    )
    assert done.exit_code == 0, done.output
    (folder,) = tmp_path.iterdir()
    assert {path.name for path in (folder / "export").iterdir()} == {"openface.csv", "summary.html"}
    assert "There are no labels" in done.stderr


def test_annotate_reports_a_missing_package_before_it_starts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("app.export.formats.find_spec", lambda module: None)
    done = mien("annotate", "demo", "--out", tmp_path / "out", "--format", "elan")
    assert done.exit_code == 2
    assert "pip install" in done.stderr
    assert not (tmp_path / "out").exists()
