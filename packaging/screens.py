"""Make docs/screens/*.webp: every screen of the program on the built-in demo, with the real engine and no display.

.venv/bin/python packaging/screens.py
.venv/bin/python packaging/screens.py --out DIR --theme dark --scale 200 --size 1920x1080    # another look
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Sizes of the window and of the kiosk in pixels.
SIZE, KIOSK_SIZE = (1280, 800), (1280, 720)
#: Time limit of every wait.
LIMIT_S = 120.0


def main() -> None:
    """Make all screens of one theme and scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens")
    parser.add_argument("--theme", default="light", choices=("light", "dark", "high-contrast"))
    parser.add_argument("--scale", type=int, default=100)
    parser.add_argument("--size", default=f"{SIZE[0]}x{SIZE[1]}", help="of the window, in logical pixels")
    parser.add_argument("--only", default="", help="make only screens whose name starts with this")
    arguments = parser.parse_args()
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from engine.tracking.face_models import cache_folder

    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mien-screens-") as home:
        os.environ.setdefault("MIEN_MODELS", str(cache_folder()))
        os.environ["HOME"] = home  # no folder of this machine shows
        width, height = map(int, arguments.size.split("x"))
        Screens(arguments.out, arguments.theme, arguments.scale, arguments.only, (width, height)).make_all()


@dataclass
class Screens:
    """Walks through the program as a user would, and saves screenshots."""

    out: Path
    theme: str
    scale: int
    only: str
    size: tuple[int, int]

    def make_all(self) -> None:
        """Take all screenshots: one window for all pages, and one for the kiosk."""
        from app.qt.application import make_application
        from app.qt.preference_store import PreferenceStore
        from app.qt.program import Program
        from engine.config import EngineConfig

        self.application = make_application()
        self.store = PreferenceStore(None, theme=self.theme, scale_percent=self.scale, source="demo")
        queue = Path(os.environ["HOME"]) / "queue.json"
        program = Program(self.store, EngineConfig(), lambda: "0.1.0", queue)
        self.window = program.window
        self.window.create_pages()
        self.window.resize(*self.size)
        self.window.show()
        self.live, self.annotate, self.review = program.live, program.annotate, program.review
        try:
            self.make_start()
            session = self.make_live()
            self.make_annotate()
            self.make_review(session)
            for name in ("settings", "about"):
                self.window.show_page(name)
                self.wait(1.5)
                self.take(name)
        finally:
            self.window.close()
            self.window.deleteLater()
            self.application.processEvents()
        self.make_kiosk()

    def make_start(self) -> None:
        """The first start with its notice, and a later one."""
        self.window.show_page("start")
        self.take("start_first")
        self.store.change(notice_read=True)
        self.take("start")

    def make_live(self) -> Path:
        """Live: idle, recording, research, ambiguous, graph, poor image, performance; return the recording."""
        from app.qt.widgets.workspace import WorkspaceLayout

        live = self.live
        self.window.show_page("live")
        self.take("live_idle")
        live.open_source("demo")
        self.until(lambda: live.bridge.shown is not None)
        live.toggle_recording()
        recorded: list[Path] = []
        live.bridge.recording.recorded.connect(recorded.append)
        self.until(lambda: live.bridge.recording.duration_s > 8.5)
        self.until_steady(lambda: self.follows("accept") and live.bridge.recording.duration_s > 9)
        self.take("live", wait_s=0.0)
        live.workspace.choose(WorkspaceLayout.RESEARCH)
        self.until_steady(lambda: self.follows("accept"))
        self.take("live_research", wait_s=0.0)
        live.toggle_recording()
        self.until(lambda: bool(recorded))
        live.workspace.reveal(live.limits)
        live.limits.accept.setValue(2)
        self.clear_notice()
        self.wait(1.0)  # the shares of the new limit are shown
        self.until_steady(lambda: self.follows("ambiguous") and live.bridge.shown.result.frame.image.mean() > 100)
        self.take("live_ambiguous", wait_s=0.0)
        live.limits.reset.click()
        live.workspace.reveal(live.graph)
        self.until(lambda: self.decision() == "low_quality")
        self.until(lambda: self.paused_with("accept"))
        self.take_widget(live.graph, "live_graph")
        live.toggle_pause()
        live.workspace.choose(WorkspaceLayout.SIMPLE)
        self.until(lambda: self.decision() == "low_quality" and bool(live.bridge.shown.rows[0].quality_reasons))
        self.take("live_not_assessed", wait_s=0.0)
        live.show_performance()
        self.wait(0.2)
        self.take_widget(live.performance, "live_performance")
        live.performance.hide()
        live.toggle_run()
        self.wait(0.5)
        return recorded[0]

    def make_annotate(self) -> None:
        """The empty queue, and one at work."""
        annotate = self.annotate
        self.window.show_page("annotate")
        self.take("annotate_empty")
        picture = Path(os.environ["HOME"]) / "portrait.jpg"
        shutil.copy(ROOT / "assets" / "demo" / "portrait.jpg", picture)
        annotate.add(("demo", str(picture)))
        self.wait(1.0)
        annotate.runner.start()
        self.until(lambda: self.finished_jobs() >= 1)
        self.wait(1.0)
        self.take("annotate")
        self.until(lambda: self.finished_jobs() >= 2)

    def make_review(self, session: Path) -> None:
        """The empty page, the recording with some notes, its export, own events, time series and a second session."""
        review = self.review
        self.window.show_page("review")
        self.wait(1.0)  # recent sessions are read in the background
        self.take("review_empty")
        review.open_path(session)
        self.until(lambda: review.desk.session is not None)
        self.wait(1.0)
        desk = review.desk
        desk.go_to(1.0)
        desk.mark_in()
        desk.go_to(2.5)
        desk.mark_out()
        desk.label_range("happiness")
        desk.go_to(3.6)
        desk.add_marker()
        desk.mark_in()
        desk.go_to(4.4)
        desk.mark_out()
        desk.exclude_range()
        desk.go_to(1.6)
        self.wait(1.5)
        self.take("review")
        self.make_dialogs()
        longest = max(desk.session.faces, key=lambda face: len(face.positions))
        desk.timeline.face_chosen.emit(longest.face_id)
        desk.go_to(float(desk.session.times_s[longest.positions[len(longest.positions) // 2]]))
        desk.show_series(True)
        self.wait(1.0)
        self.take("review_series")
        desk.show_series(False)
        results = (job.folder for job in self.annotate.runner.jobs if job.spec == "demo")
        desk.go_to(0.0)
        review.show_beside(next(results))
        self.until(lambda: review.companion.session is not None)
        desk.go_to(1.6)
        self.wait(1.5)
        self.take("review_second")
        review.companion.close_session()

    def make_dialogs(self) -> None:
        """The export, and the codes of own events, two of which are marked."""
        from app.qt.review.codes_dialog import CodesDialog
        from app.qt.review.export_dialog import ExportDialog
        from app.settings.codes import EventCode

        review, desk = self.review, self.review.desk
        review.export()
        self.wait(0.5)
        export = self.window.findChild(ExportDialog)
        self.take_widget(export, "review_export")
        export.reject()
        stimulus, nod = EventCode("S", "stimulus", True), EventCode("D", "nod")
        self.store.change(codes=(stimulus, nod))
        review.edit_codes()
        self.wait(0.5)
        codes = self.window.findChild(CodesDialog)
        self.take_widget(codes, "review_codes")
        codes.accept()
        for time_s, code in ((4.8, stimulus), (6.3, stimulus), (6.9, nod)):
            desk.go_to(time_s)
            desk.mark_event(code)

    def make_kiosk(self) -> None:
        """The kiosk, and its page without a camera."""
        from app.kiosk import KioskOptions
        from app.qt.bridge import LiveBridge
        from app.qt.kiosk.kiosk_window import KioskWindow
        from engine.config import EngineConfig

        for name, source in (("kiosk", "demo"), ("kiosk_no_camera", "97")):
            bridge = LiveBridge(EngineConfig(), "litert", "0.1.0")
            window = KioskWindow(bridge, KioskOptions(source))
            window.resize(*KIOSK_SIZE)
            window.show()
            window.begin()
            self.until(lambda bridge=bridge: bridge.shown is not None or bridge.state.value == "failed")
            self.wait(1.5)
            self.take_widget(window, name)
            window.close()
            bridge.shutdown()
            window.deleteLater()

    def finished_jobs(self) -> int:
        """Jobs of the queue that are done."""
        return sum(job.state.value == "done" for job in self.annotate.runner.jobs)

    def decision(self) -> str:
        """Decision on the first face of the frame shown."""
        shown = self.live.bridge.shown
        return shown.rows[0].decision if shown is not None else ""

    def follows(self, decision: str) -> bool:
        """Whether the only face shown has its details beside the picture, and this decision."""
        shown, followed = self.live.bridge.shown, self.live.faces.followed
        return self.decision() == decision and [row.face_id for row in shown.rows] == [followed]

    def paused_with(self, decision: str) -> bool:
        """Wait for a decision and pause; False, and running again, if the pause came too late."""
        self.until_steady(lambda: self.decision() == decision)
        self.live.toggle_pause()
        self.wait(0.5)
        if self.decision() != decision:
            self.live.toggle_pause()
            return False
        return True

    def take(self, name: str, wait_s: float = 0.2) -> None:
        """Save a screenshot of the window without notices of other pages."""
        self.clear_notice()
        self.wait(wait_s)
        self.take_widget(self.window, name)

    def clear_notice(self) -> None:
        """Close all notices."""
        from app.qt.widgets.toasts import Toasts

        self.window.findChild(Toasts).clear()

    def take_widget(self, widget: object, name: str) -> None:
        """Save a screenshot of one widget."""
        if name.startswith(self.only):
            widget.grab().save(str(self.out / f"{name}.webp"), "WEBP", 78)

    def wait(self, seconds: float) -> None:
        """Run the event loop."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.application.processEvents()
            time.sleep(0.002)

    def until_steady(self, condition: Callable[[], bool], seconds: float = 0.3) -> None:
        """Run the event loop until a condition has held for this time without a break."""
        since_s = time.monotonic()

        def steady() -> bool:
            nonlocal since_s
            if not condition():
                since_s = time.monotonic()
            return time.monotonic() - since_s >= seconds

        self.until(steady)

    def until(self, done: Callable[[], bool]) -> None:
        """Run the event loop until a condition holds."""
        end_s = time.monotonic() + LIMIT_S
        while not done():
            if time.monotonic() > end_s:
                raise TimeoutError(f"condition not met within {LIMIT_S:.0f} s")
            self.application.processEvents()
            time.sleep(0.002)


if __name__ == "__main__":
    main()
