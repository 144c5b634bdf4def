"""The picture: painted as it comes, already fitted; or words where there is none."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt import theme
from engine.types import UInt8

_GROUND = QColor(12, 12, 14)
_WORDS = QColor(225, 225, 230)


class VideoView(QWidget):
    """Shows a picture in the middle, with a dark border where the shapes differ."""

    resized_px = Signal(int, int)  # the space in device pixels
    face_picked = Signal(float, float)  # a click, 0-1 of the picture's width and height

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(self.tr("Picture"))
        self._picture: UInt8 | None = None
        self._words = ""

    @property
    def picture(self) -> UInt8 | None:
        """The picture shown, as it was given; None while words are shown."""
        return self._picture

    @property
    def words(self) -> str:
        """What is shown where there is no picture."""
        return self._words

    @property
    def space_px(self) -> tuple[int, int]:
        """The space in device pixels."""
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    def show_picture(self, picture: UInt8 | None) -> None:
        """Show (h, w, 3) RGB or (h, w, 4) BGRX, contiguous; the view keeps it. None shows the words."""
        self._picture = picture
        self.update()

    def show_words(self, words: str) -> None:
        """Show words in place of a picture."""
        self._picture, self._words = None, words
        self.setAccessibleDescription(words)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Sixteen to nine."""
        unit = theme.em(self)
        return QSize(round(48 * unit), round(27 * unit))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Small enough for a small screen."""
        return QSize(240, 135)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the picture or the words."""
        painter = QPainter(self)
        if self._picture is None:
            painter.fillRect(self.rect(), _GROUND)
            painter.setPen(_WORDS)
            margin = round(theme.em(self))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(margin, margin, -margin, -margin), flags, self._words)
        else:
            self._paint_picture(painter, self._picture)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Tell the new space."""
        super().resizeEvent(event)
        self.resized_px.emit(*self.space_px)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Tell where the picture was clicked."""
        place = self._place()
        if place is not None and event.button() is Qt.MouseButton.LeftButton and place.contains(event.position()):
            at: QPointF = event.position() - place.topLeft()
            self.face_picked.emit(at.x() / place.width(), at.y() / place.height())
        super().mousePressEvent(event)

    def _place(self) -> QRectF | None:
        """Where the picture lies."""
        if self._picture is None:
            return None
        height, width = self._picture.shape[:2]
        size = QSize(width, height).scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRectF(
            (self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height()
        )

    def _paint_picture(self, painter: QPainter, picture: UInt8) -> None:
        height, width, parts = picture.shape
        form = QImage.Format.Format_RGB32 if parts == 4 else QImage.Format.Format_RGB888
        image = QImage(picture.data, width, height, parts * width, form)  # looks at the array, which self keeps alive
        ratio = self.devicePixelRatioF()
        space_px = self.space_px
        left, top = (space_px[0] - width) // 2, (space_px[1] - height) // 2
        if left >= 0 and top >= 0 and (left == 0 or top == 0):  # it was fitted for this space: no scaling
            image.setDevicePixelRatio(ratio)
            target = QRectF(left / ratio, top / ratio, width / ratio, height / ratio)
            self._paint_borders(painter, target.toRect())
            painter.drawImage(target.topLeft(), image)
            return
        place = self._place() or QRectF(self.rect())
        self._paint_borders(painter, place.toRect())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, image)

    def _paint_borders(self, painter: QPainter, place: QRect) -> None:
        whole = self.rect()
        if place.left() > 0 or place.right() < whole.right():
            painter.fillRect(QRect(0, 0, place.left() + 1, whole.height()), _GROUND)
            painter.fillRect(QRect(place.right(), 0, whole.right() - place.right() + 1, whole.height()), _GROUND)
        if place.top() > 0 or place.bottom() < whole.bottom():
            painter.fillRect(QRect(0, 0, whole.width(), place.top() + 1), _GROUND)
            painter.fillRect(QRect(0, place.bottom(), whole.width(), whole.bottom() - place.bottom() + 1), _GROUND)
