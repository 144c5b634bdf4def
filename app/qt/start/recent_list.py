"""The list of recent sessions on the start page, with what is in each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from app.qt import theme
from app.qt.background import Worker
from app.qt.widgets.icons import IconName, draw_icon
from app.qt.widgets.page_parts import Card, text_label
from app.settings.preferences import MAX_SESSIONS

if TYPE_CHECKING:
    from app.review.recent import RecentSession

#: Height of a row and of its thumbnail.
_ROW_EM: Final = 3.4
_PICTURE_EM: Final = 2.8
#: Shape of thumbnails, width to height.
_ASPECT: Final = 16 / 9

#: Folders opened before, and the folders of recordings and annotations.
Places = tuple[tuple[Path, ...], tuple[Path, ...]]


class SessionRow(QAbstractButton):
    """One session: thumbnail, name, and a line about it."""

    def __init__(self, session: RecentSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._detail = self.describe(session)
        self._image = _image_of(session)
        self.setText(session.folder.name)
        self.setToolTip(str(session.folder))
        self.setAccessibleName(session.folder.name)
        self.setAccessibleDescription(self._detail)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def describe(self, session: RecentSession) -> str:
        """Such as ``01:12 · 2 faces · 84 % assessed · 2026-03-01 09:05``."""
        parts = []
        if session.duration_s is not None:
            parts.append(_clock(session.duration_s))
        if session.faces is not None:
            faces = self.tr("1 face") if session.faces == 1 else self.tr("{count} faces").format(count=session.faces)
            parts.append(faces if session.faces else self.tr("no face"))
        if session.assessed is not None:
            parts.append(self.tr("{percent} % assessed").format(percent=round(100 * session.assessed)))
        if not session.completed:
            parts.append(self.tr("not finished"))
        parts.append(f"{datetime.fromtimestamp(session.changed_s).astimezone():%Y-%m-%d %H:%M}")
        return " · ".join(parts)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Two lines beside the thumbnail."""
        em = theme.em(self)
        return QSize(round(16 * em), round(_ROW_EM * em))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw thumbnail, texts and the focus frame."""
        colours, em = theme.current(), theme.em(self)
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        whole = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        if self.underMouse():
            painter.fillRect(whole, colours.colour("track"))
        margin = (whole.height() - _PICTURE_EM * em) / 2
        picture = QRectF(whole.left() + margin, whole.top() + margin, _PICTURE_EM * em * _ASPECT, _PICTURE_EM * em)
        if self._image is not None:
            painter.drawImage(picture, self._image)
        else:
            painter.fillRect(picture, colours.colour("track"))
            draw_icon(
                painter, IconName.TIMELINE, picture.adjusted(em / 2, em / 2, -em / 2, -em / 2), colours.colour("dim")
            )
        texts = whole.adjusted(picture.right() + 0.6 * em - whole.left(), 0, -0.4 * em, 0)
        upper, lower = QRectF(texts), QRectF(texts)
        upper.setBottom(texts.center().y())
        lower.setTop(texts.center().y())
        for box, text, colour, side in (
            (upper, self.text(), "accent", Qt.AlignmentFlag.AlignBottom),
            (lower, self._detail, "dim", Qt.AlignmentFlag.AlignTop),
        ):
            painter.setPen(colours.colour(colour))
            shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, round(box.width()))
            painter.drawText(box, side, shown)
        if self.hasFocus():
            painter.setPen(QPen(colours.colour("accent"), max(1.0, 0.12 * em)))
            painter.drawRoundedRect(whole, 0.25 * em, 0.25 * em)
        painter.end()


class RecentList(Card):
    """Looks for sessions and reads them on a thread of its own; those read before are kept until they change."""

    #: A session folder (pathlib.Path) was chosen.
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Recent sessions"), parent)
        self._empty = text_label(self.tr("None yet. Record in Live, or annotate a video."), "dim")
        self.body.addWidget(self._empty)
        self._rows: list[SessionRow] = []
        self._worker: Worker[Places, tuple[RecentSession, ...]] = Worker(
            "mien-recent", _Reader().read, self._show, lambda error: self._show(())
        )

    @property
    def sessions(self) -> tuple[RecentSession, ...]:
        """The sessions listed."""
        return tuple(row.session for row in self._rows)

    def look(self, opened: tuple[Path, ...], roots: tuple[Path, ...]) -> None:
        """List the sessions of these places soon; see `app.review.recent.find_recent`."""
        self._worker.submit((opened, roots))

    def shutdown(self) -> None:
        """End the thread."""
        self._worker.close()

    def _show(self, sessions: tuple[RecentSession, ...]) -> None:
        for row in self._rows:
            row.setParent(None)
            row.deleteLater()
        self._rows = [SessionRow(session) for session in sessions]
        self._empty.setVisible(not self._rows)
        for row in self._rows:
            row.clicked.connect(self._choose(row.session.folder))
            self.body.addWidget(row)
            row.show()

    def _choose(self, folder: Path) -> Callable[[], None]:
        return lambda: self.chosen.emit(folder)


class _Reader:
    """Reads sessions on the worker's thread."""

    def __init__(self) -> None:
        self._known: dict[Path, RecentSession] = {}

    def read(self, places: Places) -> tuple[RecentSession, ...]:
        from app.review.recent import find_recent, read_recent  # the video library, once the window is painted

        opened, roots = places
        folders = find_recent(opened, roots, MAX_SESSIONS)
        self._known = {folder: self._unchanged(folder) or read_recent(folder) for folder in folders}
        return tuple(self._known.values())

    def _unchanged(self, folder: Path) -> RecentSession | None:
        before = self._known.get(folder)
        if before is not None and before.completed and _changed_s(folder) == before.changed_s:
            return before
        return None


def _changed_s(folder: Path) -> float | None:
    try:
        return (folder / "journal.jsonl").stat().st_mtime
    except OSError:
        return None


def _image_of(session: RecentSession) -> QImage | None:
    if session.thumbnail is None:
        return None
    height, width = session.thumbnail.shape[:2]
    return QImage(session.thumbnail.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
