"""The export dialog: available files, progress, cancelling and errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl

from app.export.formats import FORMATS
from app.export.job import ExportChoice
from app.qt.review.export_dialog import Export, ExportDialog
from app.review.notes import HumanLabel, Notes
from app.review.session import Session, SessionVideo, open_session
from app.review.synthetic_session import write_synthetic_session
from app.session.folder import SessionFolder
from engine.errors import OutputError

Until = Callable[[Callable[[], bool]], None]
Make = Callable[..., ExportDialog]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "session"
    write_synthetic_session(SessionFolder(path), 12.0, 10.0, 2, 5)
    return path


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with open_session(folder) as opened:
        yield opened


@pytest.fixture
def make(qtbot, session: Session, tmp_path: Path) -> Iterator[Make]:
    dialogs: list[ExportDialog] = []

    def build(notes: Notes | None = None, write: Export | None = None) -> ExportDialog:
        options = {} if write is None else {"write": write}
        dialog = ExportDialog(session, notes or Notes(), **options)
        dialog.folder.setText(str(tmp_path / "out"))
        qtbot.addWidget(dialog)
        dialogs.append(dialog)
        dialog.show()
        return dialog

    yield build
    for dialog in dialogs:
        dialog.shutdown()


def labelled(session: Session) -> Notes:
    timeline = session.faces[0]
    start = float(session.times_s[timeline.first])
    return Notes("ab", labels=(HumanLabel(timeline.face_id, start, start + 2.0, "anger"),))


def test_the_tables_are_written(make: Make, until: Until, tmp_path: Path, session: Session) -> None:
    dialog = make(labelled(session))
    dialog.start.click()
    assert dialog.running
    until(lambda: not dialog.running)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["agreement.json", "reviewed_faces.csv", "reviewed_notes.csv"]
    assert all(name in dialog.status.text() for name in names)
    assert not dialog.show_folder.isHidden()


def test_unavailable_files_are_disabled_with_a_reason(make: Make, session: Session) -> None:
    dialog = make()
    assert not dialog.formats["agreement"].isEnabled()
    assert "There are no labels yet" in dialog.formats["agreement"].accessibleDescription()
    assert not dialog.formats["video"].isEnabled()
    session.video = SessionVideo(Path("clean.mp4"), annotated=False)
    assert make().formats["video"].isEnabled()
    session.video = SessionVideo(Path("annotated.mp4"), annotated=True)
    assert not make().formats["video"].isEnabled()


def test_the_choice_is_what_is_checked(make: Make) -> None:
    dialog = make()
    assert dialog.choice == ExportChoice(("csv", "notes"))
    dialog.without_excluded.click()
    dialog.replace.click()
    dialog.formats["notes"].click()
    assert dialog.choice == ExportChoice(("csv",), without_excluded=True, replace=True)


def test_the_dialog_offers_every_format_of_the_table(make: Make) -> None:
    dialog = make()
    assert list(dialog.formats) == [item.name for item in FORMATS]
    assert [box.text() for box in dialog.formats.values()] == [item.title for item in FORMATS]
    dialog.formats["elan"].click()
    dialog.excel.click()
    dialog.all_units.click()
    assert dialog.choice == ExportChoice(("csv", "notes", "elan"), excel=True, all_units=True)


def test_a_format_whose_package_is_missing_names_the_command(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.export.formats.find_spec", lambda module: None)
    dialog = make()
    assert not dialog.formats["elan"].isEnabled()
    assert 'run pip install "pympi-ling==' in dialog.formats["elan"].accessibleDescription()
    assert dialog.formats["openface"].isEnabled()


def test_formats_of_other_tools_are_written(make: Make, until: Until, tmp_path: Path) -> None:
    dialog = make()
    for name in ("openface", "bids", "html"):
        dialog.formats[name].click()
    dialog.run()
    until(lambda: not dialog.running)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"reviewed_faces.csv", "reviewed_notes.csv", "openface.csv", "bids", "summary.html"}


def test_the_summary_page_can_be_opened(
    make: Make, until: Until, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr("app.qt.review.export_dialog.QDesktopServices.openUrl", opened.append)
    dialog = make()
    dialog.run()
    until(lambda: not dialog.running)
    assert dialog.show_page.isHidden()
    dialog.formats["html"].click()
    dialog.replace.click()
    dialog.run()
    until(lambda: not dialog.running)
    dialog.show_page.click()
    assert [Path(url.toLocalFile()) for url in opened] == [tmp_path / "out" / "summary.html"]


def test_without_a_choice_or_a_folder_export_is_disabled(make: Make) -> None:
    dialog = make()
    dialog.formats["csv"].click()
    dialog.formats["notes"].click()
    assert not dialog.start.isEnabled()
    dialog.formats["notes"].click()
    assert dialog.start.isEnabled()
    dialog.folder.setText("  ")
    assert not dialog.start.isEnabled()


def test_an_error_is_shown_in_the_dialog_and_can_be_fixed(make: Make, until: Until, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    dialog = make()
    dialog.run()
    until(lambda: not dialog.running)
    assert "cannot be written" in dialog.status.text()
    (tmp_path / "out").unlink()
    dialog.run()
    until(lambda: not dialog.running)
    assert "reviewed_faces.csv" in dialog.status.text()


class SlowExport:
    """Reports half of the work done, then waits to be cancelled or finished."""

    def __init__(self) -> None:
        self.finish = threading.Event()

    def __call__(
        self,
        session: Session,
        notes: Notes,
        choice: ExportChoice,
        folder: Path,
        report: Callable[[float], None],
        stopped: Callable[[], bool],
    ) -> tuple[Path, ...]:
        report(0.5)
        while not stopped() and not self.finish.wait(0.01):
            pass
        return ()


def test_progress_is_shown(make: Make, until: Until) -> None:
    slow = SlowExport()
    dialog = make(write=slow)
    dialog.run()
    until(lambda: dialog.bar.value() == dialog.bar.maximum() // 2)
    assert not dialog.bar.isHidden()
    assert not dialog.start.isEnabled()
    slow.finish.set()
    until(lambda: not dialog.running)
    assert dialog.bar.isHidden()


def test_cancel_stops_the_export_and_then_closes(make: Make, until: Until) -> None:
    dialog = make(write=SlowExport())
    dialog.run()
    assert dialog.close_button.text() == "Cancel"
    dialog.close_button.click()
    assert not dialog.isHidden()
    until(lambda: not dialog.running)
    assert "No file was written" in dialog.status.text()
    assert dialog.close_button.text() == "Close"
    dialog.close_button.click()
    assert dialog.isHidden()


def test_shutdown_stops_a_running_export(make: Make) -> None:
    dialog = make(write=SlowExport())
    dialog.run()
    dialog.shutdown()
    assert not dialog.running


def test_the_folder_can_be_opened(make: Make, until: Until, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr("app.qt.review.export_dialog.QDesktopServices.openUrl", opened.append)
    dialog = make()
    dialog.run()
    until(lambda: not dialog.running)
    dialog.show_folder.click()
    assert [Path(url.toLocalFile()) for url in opened] == [tmp_path / "out"]


def test_any_error_is_shown(make: Make, until: Until) -> None:
    def refuse(*given: object) -> tuple[Path, ...]:
        raise OutputError("disk full: free space")

    dialog = make(write=refuse)
    dialog.run()
    until(lambda: not dialog.running)
    assert "disk full: free space" in dialog.status.text()


def test_the_home_of_an_unknown_user_is_an_ordinary_folder_name(make: Make, until: Until) -> None:
    given: list[Path] = []

    def write(session, notes, choice, folder, report, stopped) -> tuple[Path, ...]:
        given.append(folder)
        raise OutputError(f"{folder} cannot be written")

    dialog = make(write=write)
    dialog.folder.setText("~no-such-user/out")
    dialog.run()
    until(lambda: not dialog.running)
    assert given == [Path.cwd() / "~no-such-user/out"]


def test_the_folder_written_to_is_opened_even_if_the_field_has_changed(make: Make, until: Until, monkeypatch) -> None:
    dialog = make(write=lambda *args: (args[3] / "a.csv",))
    dialog.folder.setText("~/out")
    dialog.run()
    until(lambda: not dialog.running)
    dialog.folder.setText("/elsewhere")
    seen: list[QUrl] = []
    monkeypatch.setattr("app.qt.review.export_dialog.QDesktopServices.openUrl", seen.append)
    dialog.show_folder.click()
    assert seen == [QUrl.fromLocalFile(str(Path.home() / "out"))]
