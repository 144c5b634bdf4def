"""The annotate page: dropping files, selecting jobs, states, shortcuts, menu and results."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QMenu, QPushButton, QWidget

from app.jobs.job_file import write_jobs
from app.jobs.job_queue import Job, JobPart, JobState
from app.jobs.job_run import JobExecutor
from app.qt.annotate.annotate_page import AnnotatePage
from app.qt.annotate.drop_area import DropVeil, EmptyQueue
from app.qt.annotate.job_view import JobCommand, choice_text
from app.qt.annotate.part_dialog import PartDialog
from app.qt.preference_store import PreferenceStore
from app.qt.theme import ThemeName, apply_theme
from app.qt.widgets.notice_bar import Notice, Severity
from engine.capture.source import FrameSource
from engine.errors import SourceError
from tests.app.qt.annotate.test_job_runner import LONG
from tests.app.qt.conftest import Until
from tests.fakes.engines import FakePipeline, FakeSource
from tests.fakes.jobs import fake_job
from tests.fakes.sessions import FakeEngines

FRAMES = 35


def open_fake(spec: str) -> FrameSource:
    if "bad" in spec:
        raise SourceError(f"{spec} holds no frame that can be decoded: copy it again")
    return FakeSource(LONG if "long" in spec else FRAMES, source_id=Path(spec).name)


class PageHarness:
    """Pages over one queue file, with everything that they reported and requested."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = PreferenceStore(None)
        self.store.change(annotations=folder / "out", preset="speed")
        self.notices: list[Notice] = []
        self.sessions: list[Path] = []
        self.shown: list[Path] = []
        self.pages: list[AnnotatePage] = []
        self.files: tuple[str, ...] = ()
        self.chosen_folder = ""

    def page(self, jobs: tuple[Job, ...] = (), pipeline: FakePipeline | None = None) -> AnnotatePage:
        if jobs:
            write_jobs(self.folder / "jobs.json", jobs)
        page = AnnotatePage(
            self.store,
            self.folder / "jobs.json",
            JobExecutor("0.1", open_fake, FakeEngines(pipeline or FakePipeline())),
            ask_for_files=lambda parent, title: self.files,
            ask_for_folder=lambda parent, title, start: self.chosen_folder,
            show=self.shown.append,
        )
        page.noticed.connect(self.notices.append)
        page.session_requested.connect(self.sessions.append)
        page.resize(1100, 760)
        page.show()
        page.enter()
        self.pages.append(page)
        return page

    def texts(self) -> list[str]:
        return [notice.text for notice in self.notices if notice.text]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[PageHarness]:
    made = PageHarness(tmp_path)
    yield made
    for page in made.pages:
        page.leave()
        page.shutdown()
        page.close()
        page.deleteLater()
    made.store.deleteLater()


def states(page: AnnotatePage) -> list[JobState]:
    return [job.state for job in page.runner.jobs]


def action(page: AnnotatePage, text: str) -> QAction:
    return next(one for one in page.page_actions() if one.text() == text)


def drop(page: AnnotatePage, *urls: QUrl) -> bool:
    """Drag over the page and drop; return whether the page accepted the drag."""
    data = QMimeData()
    data.setUrls(list(urls))
    place = QPointF(400, 400)
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place.toPoint(), Qt.DropAction.CopyAction, data, buttons, keys)
    enter.setAccepted(False)
    QApplication.sendEvent(page, enter)
    if not enter.isAccepted():
        return False
    veil = page.findChild(DropVeil)
    assert isinstance(veil, DropVeil)
    assert veil.isVisible()
    assert not page.grab().isNull()
    QApplication.sendEvent(page, QDropEvent(place, Qt.DropAction.CopyAction, data, buttons, keys))
    assert not veil.isVisible()
    return True


def test_dropped_files_are_annotated_and_opened_in_review(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    assert page.findChildren(EmptyQueue)[0].isVisible()
    assert drop(page, QUrl.fromLocalFile("/films/a.mp4"), QUrl.fromLocalFile("/films/b.mp4"))
    until(lambda: len(page.runner.jobs) == 2)
    assert not page.findChildren(EmptyQueue)[0].isVisible()
    action(page, "Start queue").trigger()
    until(lambda: states(page) == [JobState.DONE] * 2)
    assert page.footer.text == "2 of 2 done"
    page.list.select(2)
    action(page, "Open in review").trigger()
    assert harness.sessions == [harness.folder / "out" / "b"]
    action(page, "Clear finished").trigger()
    assert page.runner.jobs == ()


def test_the_same_file_added_again_gets_another_folder(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    for _ in range(3):
        page.add(("a.mp4",))
    until(lambda: len(page.runner.jobs) == 3)
    assert [job.folder.name for job in page.runner.jobs] == ["a", "a-2", "a-3"]


def test_cameras_empty_folders_and_bad_files_are_reported_in_one_notice(
    harness: PageHarness, until: Until, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    page = harness.page()
    page.add(("0", str(tmp_path / "empty"), "bad.mp4", "bad2.mp4", "good.mp4"))
    until(lambda: len(page.runner.jobs) == 1)
    assert len(harness.texts()) == 1
    for text in ("use Live to watch", "contains no pictures or videos", "copy it again", "Not added in total: 4."):
        assert text in harness.texts()[0]


def test_a_dropped_url_is_refused_without_showing_its_password(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    assert drop(page, QUrl("rtsp://me:secret@10.0.0.7/live"))
    until(lambda: bool(harness.texts()))
    assert "use Live" in harness.texts()[0]
    assert "secret" not in harness.texts()[0]


def test_a_dropped_session_is_left_to_the_window(harness: PageHarness, tmp_path: Path) -> None:
    (tmp_path / "session").mkdir()
    (tmp_path / "session" / "journal.jsonl").touch()
    assert not drop(harness.page(), QUrl.fromLocalFile(str(tmp_path / "session")))


def test_buttons_ask_for_files_and_folders(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    harness.files = ("/films/a.mp4",)
    harness.chosen_folder = str(harness.folder)  # contains no pictures
    action(page, "Add files…").trigger()
    action(page, "Add the demo clip").trigger()
    until(lambda: len(page.runner.jobs) == 2)
    assert page.runner.jobs[1].spec == "demo"
    action(page, "Add folder…").trigger()
    until(lambda: bool(harness.texts()))
    harness.files = ()
    action(page, "Add files…").trigger()  # cancelled
    assert len(page.runner.jobs) == 2


def test_shortcuts_start_and_pause_the_queue(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    page.add(("long.mp4",))
    until(lambda: len(page.runner.jobs) == 1)
    page.activateWindow()
    until(page.isActiveWindow)
    QTest.keyClick(page, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    until(lambda: page.runner.jobs[0].done > 0)
    assert action(page, "Pause queue").isEnabled()
    QTest.keyClick(page, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert states(page) == [JobState.PAUSED]
    assert action(page, "Start queue").isEnabled()
    page.list.select(1)
    QTest.keyClick(page, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    until(lambda: states(page) == [JobState.CANCELLED])
    QTest.keyClick(page, Qt.Key.Key_Delete)
    assert page.runner.jobs == ()


def test_enter_presses_the_first_button_but_never_removes(harness: PageHarness) -> None:
    page = harness.page((fake_job(1, JobState.DONE), fake_job(2)))
    page.list.select(1)
    QTest.keyClick(page.list, Qt.Key.Key_Return)
    assert harness.sessions == [Path("/results/1")]
    page.list.select(2)
    QTest.keyClick(page.list, Qt.Key.Key_Return)
    assert len(page.runner.jobs) == 2


def test_the_mouse_presses_buttons_of_a_row(harness: PageHarness) -> None:
    page = harness.page((fake_job(1, JobState.DONE), fake_job(2)))
    row = page.list.visualRect(page.list.model().index(0, 0))
    em = page.list.fontMetrics().height()
    beside_menu = row.center()
    beside_menu.setX(round(row.right() - 4 * em))
    QTest.mouseMove(page.list.viewport(), beside_menu)
    QTest.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, beside_menu)
    assert harness.sessions == [Path("/results/1")]
    assert page.list.selected() == (1,)


def test_the_menu_sets_the_preset_of_waiting_jobs(harness: PageHarness) -> None:
    page = harness.page((fake_job(1), fake_job(2, JobState.FAILED, fault="gone")))
    page.list.selectAll()
    page.list.menu_requested.emit(page.mapToGlobal(page.rect().center()))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    texts = [one.text() for one in menu.actions() if one.text()]
    assert texts == [
        "Retry",
        "Cancel",
        "Show folder",
        "Start again",
        "Remove",
        "Preset",
        "Part of the video…",
        "Move up",
        "Move down",
    ]
    entry = next(one for one in menu.actions() if one.text() == "Preset")
    presets = entry.menu()  # PySide6 6.7 deletes it with the entry
    assert isinstance(presets, QMenu)
    assert [one.text() for one in presets.actions() if one.isChecked()] == ["Balanced"]
    next(one for one in presets.actions() if one.text() == "Speed").trigger()
    assert [(job.preset, job.total) for job in page.runner.jobs] == [("speed", 12), ("balanced", 35)]
    menu.close()


def test_the_part_of_waiting_jobs_can_be_chosen(harness: PageHarness) -> None:
    page = harness.page((fake_job(1), fake_job(2, JobState.FAILED, fault="gone")))
    part = next(action for action in page.page_actions() if action.text() == "Part of the video…")
    page.list.selectAll()
    assert part.isEnabled()
    part.trigger()
    dialog = page.findChild(PartDialog)
    assert dialog is not None
    dialog.start.setText("0:10")
    dialog.end.setText("5")
    dialog.accept()
    assert dialog.isVisible()  # the end is before the start
    assert "is empty" in dialog.fault.text()
    dialog.end.setText("1:02:03.5")
    dialog.step.setValue(3)
    dialog.baseline.setChecked(True)
    dialog.accept()
    assert [job.part for job in page.runner.jobs] == [JobPart(10.0, 3723.5, 3, True), JobPart()]
    assert choice_text(page.runner.jobs[0]) == "Balanced · 0:10 – 1:02:03.5 · 1 of 3 frames · with baseline"
    part.trigger()
    again = page.findChildren(PartDialog)[-1]
    assert (again.start.text(), again.end.text(), again.step.value()) == ("0:10", "1:02:03.5", 3)
    for field in (again.start, again.end):
        field.clear()
    assert again.baseline.isChecked()
    again.step.setValue(0)
    again.baseline.setChecked(False)
    again.accept()
    assert page.runner.jobs[0].part == JobPart()


def test_jobs_are_moved_up_and_down(harness: PageHarness, until: Until) -> None:
    page = harness.page((fake_job(1), fake_job(2), fake_job(3)))
    page.activateWindow()
    until(page.isActiveWindow)
    page.list.select(3)
    QTest.keyClick(page, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert [job.job_id for job in page.runner.jobs] == [1, 3, 2]
    assert page.list.selected() == (3,)
    action(page, "Move down").trigger()
    assert [job.job_id for job in page.runner.jobs] == [1, 2, 3]


def test_only_legal_commands_are_enabled(harness: PageHarness) -> None:
    page = harness.page((fake_job(1, JobState.DONE), fake_job(2), fake_job(3, JobState.FAILED, fault="gone")))
    page.list.select(1)
    assert action(page, "Open in review").isEnabled()
    assert not action(page, "Cancel").isEnabled()
    action(page, "Show folder").trigger()
    assert harness.shown == [Path("/results/1")]
    page.list.clearSelection()
    assert not action(page, "Remove").isEnabled()


def test_an_interrupted_job_is_reported_and_resumed(harness: PageHarness, until: Until) -> None:
    first = harness.page(pipeline=FakePipeline())
    first.add(("long.mp4",))
    until(lambda: len(first.runner.jobs) == 1)
    action(first, "Start queue").trigger()
    until(lambda: first.runner.jobs[0].done > 0)
    first.shutdown()
    second = harness.page()
    until(lambda: "1 job was interrupted." in harness.texts())
    assert harness.notices[-1].severity is Severity.INFO  # a fault of the queue stays beside it
    assert [action.text for action in harness.notices[-1].actions] == ["Resume"]
    assert second.interrupted.isVisible()
    assert second.interrupted.text == "1 job was interrupted. Its progress is kept."
    second.interrupted.findChildren(QPushButton)[0].click()
    assert not second.interrupted.isVisible()
    until(lambda: states(second) == [JobState.RUNNING])


def test_a_damaged_queue_file_is_reported(harness: PageHarness, until: Until) -> None:
    (harness.folder / "jobs.json").write_text("nonsense")
    harness.page()
    until(lambda: any("jobs.json.damaged" in text for text in harness.texts()))


def test_the_form_is_tied_to_the_preferences(harness: PageHarness) -> None:
    page = harness.page()
    box = page.form.findChildren(QComboBox)[0]
    box.setCurrentIndex(2)
    box.activated.emit(2)
    assert harness.store.now.preset == "thorough"
    field = page.form.findChildren(QLineEdit)[0]
    field.setText(str(harness.folder / "other"))
    field.editingFinished.emit()
    assert harness.store.now.annotations == harness.folder / "other"
    field.setText(" ")
    field.editingFinished.emit()
    assert field.text() == str(harness.folder / "other")
    harness.chosen_folder = str(harness.folder / "third")
    action(page, "Choose folder for the results…").trigger()
    assert field.text() == str(harness.folder / "third")
    harness.store.change(preset="of another version")
    assert page.form.preset == "balanced"


def test_rows_have_accessible_texts(harness: PageHarness) -> None:
    page = harness.page((fake_job(1, JobState.DONE), fake_job(2, JobState.FAILED, fault="gone")))
    model = page.list.model()
    role = Qt.ItemDataRole.AccessibleTextRole
    assert model.data(model.index(0, 0), role) == "1.mp4: Done · 35 frames · 2 faces"
    assert model.data(model.index(1, 0), Qt.ItemDataRole.AccessibleDescriptionRole) == "Enter: Retry"
    assert "Results: /results/2" in model.data(model.index(1, 0), Qt.ItemDataRole.ToolTipRole)
    assert page.list.accessibleName() == "Files to annotate"


def test_every_action_has_a_text_and_a_unique_shortcut(harness: PageHarness) -> None:
    actions = harness.page().page_actions()
    keys = [one.shortcut().toString(QKeySequence.SequenceFormat.PortableText) for one in actions]
    assert all(one.text() for one in actions)
    assert "" not in keys
    assert len(set(keys)) == len(keys)
    assert "Ctrl+Shift+O" not in keys  # used by the window to open sessions


def test_the_selection_stays_while_the_list_changes(harness: PageHarness, until: Until) -> None:
    page = harness.page((fake_job(1, JobState.DONE), fake_job(2), fake_job(3)))
    page.list.select(3)
    page.runner.move(3, -1)
    page.runner.remove(2)
    page.add(("new.mp4",))
    until(lambda: len(page.runner.jobs) == 3)
    page.runner.clear_done()
    assert page.list.selected() == (3,)


@pytest.mark.parametrize("name", [ThemeName.LIGHT, ThemeName.DARK, ThemeName.HIGH_CONTRAST])
@pytest.mark.parametrize("scale", [100, 200])
def test_all_states_are_drawn_in_every_theme_and_scale(harness: PageHarness, name: ThemeName, scale: int) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, name, scale)
    page = harness.page(
        (fake_job(1, JobState.DONE), fake_job(2, JobState.FAILED, fault="gone " * 60), fake_job(3, JobState.CANCELLED))
    )
    page.list.select(2)
    page.list.setFocus()
    page.resize(700, 500)
    assert page.minimumSizeHint().width() <= 960
    image = page.grab().toImage()
    colours = {image.pixelColor(x, y).rgb() for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}
    assert len(colours) > 4
    rows = [page.list.visualRect(page.list.model().index(row, 0)) for row in range(3)]
    assert all(rect.height() >= 4.5 * page.list.fontMetrics().height() for rect in rows)
    assert rows[0].bottom() < rows[1].top()


def test_every_control_is_reachable_by_tab(harness: PageHarness) -> None:
    page = harness.page((fake_job(1, JobState.DONE),))
    seen: list[QWidget] = []
    widget: QWidget | None = page
    while widget is not None and widget not in seen:
        seen.append(widget)
        widget = widget.nextInFocusChain()
    wanted = [one for one in (*page.findChildren(QPushButton), page.list, *page.findChildren(QComboBox))]
    assert all(one in seen and one.focusPolicy() & Qt.FocusPolicy.TabFocus for one in wanted)
    assert all(one.accessibleName() or one.text() for one in page.findChildren(QPushButton))


def test_scanning_is_shown(harness: PageHarness, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def slow(spec: str) -> FrameSource:
        gate.wait(5)
        return FakeSource(FRAMES)

    monkeypatch.setattr(__name__ + ".open_fake", slow, raising=True)
    page = harness.page()
    page.add(("a.mp4",))
    assert page.footer.text == "Scanning files"
    gate.set()
    until(lambda: page.footer.text == "0 of 1 done")


def test_the_queue_of_another_window_is_read_only(harness: PageHarness) -> None:
    first = harness.page((fake_job(1, JobState.DONE), fake_job(2)))
    second = harness.page()
    assert f"process {os.getpid()} on " in harness.texts()[-1]
    second.add(("clip.mp4",))
    second.command(JobCommand.REMOVE, (1, 2))
    assert not second.scanning
    assert len(second.runner.jobs) == 2
    second.command(JobCommand.REVIEW, (1,))
    assert harness.sessions
    first.shutdown()
    second.enter()
    assert second.runner.is_mine
    second.command(JobCommand.REMOVE, (1,))
    assert len(second.runner.jobs) == 1


def test_finished_jobs_are_among_the_recent_sessions(harness: PageHarness, until: Until) -> None:
    page = harness.page()
    page.add(("clip.mp4",))
    until(lambda: len(page.runner.jobs) == 1)
    page.runner.start()
    until(lambda: states(page) == [JobState.DONE])
    assert harness.store.now.sessions == (page.runner.jobs[0].folder,)
