"""A row of controls that continues on the next line where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSize
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolButton, QWidget

from app.qt import theme


class FlowRow(QWidget):
    """Places its widgets from the left in lines; those in ``stretched`` share what is left of their line."""

    def __init__(self, parts: Sequence[QWidget], stretched: Sequence[QWidget] = (), gap_em: float = 0.3) -> None:
        super().__init__()
        self._parts, self._stretched, self._gap_em = tuple(parts), set(stretched), gap_em
        for part in self._parts:
            part.setParent(self)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """True: a narrow row has more lines."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """Height of all lines in pixels."""
        return max((rect.bottom() + 1 for _, rect in self._places(width)), default=0)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """All in one line."""
        widths = [self._width_of(part) for part in self._shown()]
        width = sum(widths) + self._gap() * max(len(widths) - 1, 0)
        return QSize(width, self.heightForWidth(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As wide as the widest part, as high as the present width needs."""
        widest = max((self._width_of(part) for part in self._shown()), default=0)
        return QSize(widest, self.heightForWidth(max(self.width(), widest)))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Place the parts."""
        super().resizeEvent(event)
        self._arrange()
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """Place the parts again after one was shown, hidden or changed its size."""
        if event.type() is QEvent.Type.LayoutRequest:
            self._arrange()
            self.updateGeometry()
        return super().event(event)

    def _shown(self) -> list[QWidget]:
        return [part for part in self._parts if not part.isHidden()]

    def _gap(self) -> int:
        return round(self._gap_em * theme.em(self))

    def _width_of(self, part: QWidget) -> int:
        hint = part.minimumSizeHint() if part in self._stretched else part.sizeHint()
        return max(hint.width(), part.minimumWidth())

    def _arrange(self) -> None:
        for part, place in self._places(self.width()):
            part.setGeometry(place)

    def _places(self, width: int) -> list[tuple[QWidget, QRect]]:
        """Each part shown with its place in a row of this width."""
        gap, places, top = self._gap(), [], 0
        lines: list[list[QWidget]] = [[]]
        used = 0
        for part in self._shown():
            wide = self._width_of(part)
            if lines[-1] and used + gap + wide > width:
                lines.append([])
                used = 0
            used += wide + (gap if lines[-1] else 0)
            lines[-1].append(part)
        for line in lines:
            height = max((part.sizeHint().height() for part in line), default=0)
            left = 0
            spare = width - sum(map(self._width_of, line)) - gap * max(len(line) - 1, 0)
            growing = sum(part in self._stretched for part in line)
            for part in line:
                wide = self._width_of(part) + (spare // growing if part in self._stretched and spare > 0 else 0)
                wide, high = min(wide, max(width, 1)), part.sizeHint().height()
                places.append((part, QRect(left, top + (height - high) // 2, wide, high)))
                left += wide + gap
            top += height + gap
        return places


def chip_button(action: QAction) -> QToolButton:
    """A button with the text of a checkable action."""
    button = QToolButton()
    button.setDefaultAction(action)
    return button
