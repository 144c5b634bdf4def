"""The list of recent sessions on the start page, with what is in each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QSizePolicy, QWidget

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
#: Place of the first row, below title, search field and hint.
_FIRST_ROW: Final = 3
#: Shape of thumbnails, width to height.
_ASPECT: Final = 16 / 9

#: Milliseconds without a key after which a search begins.
_SEARCH_MS: Final = 250
#: Sessions that are kept once read, so that a search and its end do not read them again.
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class _Request:
    """Where to look for sessions, and for which."""

    opened: tuple[Path, ...]  # folders opened before
    roots: tuple[Path, ...]  # the folders of recordings and annotations
    words: str = ""  # of the search


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


@dataclass(frozen=True, slots=True)
class _Found:
    """The newest sessions found, and how many there are."""

    sessions: tuple[RecentSession, ...] = ()
    count: int = 0


class RecentList(Card):
    """Looks for sessions and reads them on a thread of its own; those read before are kept until they change.

    With a search field, the sessions of the folders can be searched by name.
    """

    #: A session folder (pathlib.Path) was chosen.
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, searchable: bool = False) -> None:
        super().__init__(QCoreApplication.translate("mien", "Recent sessions"), parent)
        self._request = _Request((), ())
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search by name"))
        self.search.setAccessibleName(self.tr("Search by name"))
        self.search.setClearButtonEnabled(True)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_SEARCH_MS)
        self._pause.timeout.connect(self._search)
        self.search.textChanged.connect(lambda text: self._pause.start())
        self.search.setVisible(searchable)
        self.body.addWidget(self.search)
        self._more = text_label("", "dim")
        self._empty = text_label(self.tr("None yet. Record in Live, or annotate a video."), "dim")
        self.body.addWidget(self._empty)
        self._rows: list[SessionRow] = []
        self.body.addWidget(self._more)
        self._more.hide()
        self._worker: Worker[_Request, _Found] = Worker(
            "mien-recent", _Reader().read, self._show, lambda error: self._show(_Found())
        )

    @property
    def sessions(self) -> tuple[RecentSession, ...]:
        """The sessions listed."""
        return tuple(row.session for row in self._rows)

    def look(self, opened: tuple[Path, ...], roots: tuple[Path, ...]) -> None:
        """List the sessions of these places soon; see `app.review.recent.find_recent`."""
        self._request = _Request(opened, roots, self.search.text())
        self._worker.submit(self._request)

    def shutdown(self) -> None:
        """End the thread."""
        self._pause.stop()
        self._worker.close()

    def _search(self) -> None:
        self.look(self._request.opened, self._request.roots)

    def _show(self, found: _Found) -> None:
        """List the sessions; the rows of those that have not changed stay, with their focus."""
        before = {row.session: row for row in self._rows}  # sessions are compared by identity
        self._rows = [before.pop(session) if session in before else self._row(session) for session in found.sessions]
        for row in before.values():
            row.setParent(None)
            row.deleteLater()
        for place, row in enumerate(self._rows):
            if self.body.indexOf(row) != _FIRST_ROW + place:
                self.body.insertWidget(_FIRST_ROW + place, row)
                row.show()
        for row, following in itertools.pairwise(self._rows):
            QWidget.setTabOrder(row, following)  # rows that were there before were created first
        self._empty.setVisible(not self._rows)
        none = self.tr("No session has this name.")
        self._empty.setText(none if self._request.words else self.tr("None yet. Record in Live, or annotate a video."))
        more = found.count - len(found.sessions)
        self._more.setText(self.tr("{count} older ones: search for a name").format(count=more))
        self._more.setVisible(more > 0 and not self.search.isHidden())

    def _row(self, session: RecentSession) -> SessionRow:
        row = SessionRow(session)
        row.clicked.connect(self._choose(session.folder))
        return row

    def _choose(self, folder: Path) -> Callable[[], None]:
        return lambda: self.chosen.emit(folder)


class _Reader:
    """Reads sessions on the worker's thread."""

    def __init__(self) -> None:
        self._known: dict[Path, RecentSession] = {}

    def read(self, request: _Request) -> _Found:
        from app.review.recent import find_recent, matching  # the video library, once the window is painted

        folders = matching(find_recent(request.opened, request.roots), request.words)
        shown = {folder: self._one(folder) for folder in folders[:MAX_SESSIONS]}
        others = [item for item in self._known.items() if item[0] not in shown]
        self._known = {**dict(others[-(_KEPT - len(shown)) :]), **shown}  # those shown last are the last
        return _Found(tuple(shown.values()), len(folders))

    def _one(self, folder: Path) -> RecentSession:
        """The session as read before, unless it has changed."""
        before = self._known.get(folder)
        if before is not None and before.completed and _changed_s(folder) == before.changed_s:
            return before
        from app.review.recent import read_recent

        now = read_recent(folder)
        return before if before is not None and _facts(before) == _facts(now) else now


def _facts(session: RecentSession) -> tuple[object, ...]:
    """All that is shown of a session but its thumbnail, which depends on it."""
    return session.changed_s, session.completed, session.duration_s, session.faces, session.assessed


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
