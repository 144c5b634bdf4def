"""The video view: paints an already scaled image, or a message where there is none."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt import theme
from engine.types import UInt8

_BACKGROUND = QColor(12, 12, 14)
_TEXT = QColor(225, 225, 230)


class VideoView(QWidget):
    """Shows an image centred on a dark background, or a message."""

    resized_px = Signal(int, int)  # size of the view in device pixels
    face_picked = Signal(float, float)  # click position as a fraction of the image's width and height

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(self.tr("Picture"))
        self._image: UInt8 | None = None
        self._message = ""

    @property
    def image(self) -> UInt8 | None:
        """The array passed to `show_image`; None while a message is shown."""
        return self._image

    @property
    def message(self) -> str:
        """The text shown while there is no image."""
        return self._message

    @property
    def space_px(self) -> tuple[int, int]:
        """Width and height of the view in device pixels."""
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    def show_image(self, image: UInt8 | None) -> None:
        """Show a contiguous (h, w, 3) RGB or (h, w, 4) BGRX array, which the view keeps; None shows the message."""
        self._image = image
        self.update()

    def show_message(self, message: str) -> None:
        """Show a text in place of an image."""
        self._image, self._message = None, message
        self.setAccessibleDescription(message)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Aspect ratio 16:9."""
        unit = theme.em(self)
        return QSize(round(48 * unit), round(27 * unit))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Fits small screens."""
        return QSize(240, 135)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw the image or the message."""
        painter = QPainter(self)
        if self._image is None:
            painter.fillRect(self.rect(), _BACKGROUND)
            painter.setPen(_TEXT)
            margin = round(theme.em(self))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(margin, margin, -margin, -margin), flags, self._message)
        else:
            self._paint_image(painter, self._image)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Emit the new size."""
        super().resizeEvent(event)
        self.resized_px.emit(*self.space_px)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Emit the click position inside the image."""
        box = self.image_box()
        if box is not None and event.button() is Qt.MouseButton.LeftButton and box.contains(event.position()):
            at: QPointF = event.position() - box.topLeft()
            self.face_picked.emit(at.x() / box.width(), at.y() / box.height())
        super().mousePressEvent(event)

    def image_box(self) -> QRectF | None:
        """Where the image is drawn, in logical pixels."""
        if self._image is None:
            return None
        height, width = self._image.shape[:2]
        size = QSize(width, height).scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        return QRectF(
            (self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height()
        )

    def _paint_image(self, painter: QPainter, pixels: UInt8) -> None:
        height, width, channels = pixels.shape
        layout = QImage.Format.Format_RGB32 if channels == 4 else QImage.Format.Format_RGB888
        image = QImage(pixels.data, width, height, channels * width, layout)  # a view: self keeps the array alive
        ratio = self.devicePixelRatioF()
        space_px = self.space_px
        left, top = (space_px[0] - width) // 2, (space_px[1] - height) // 2
        if left >= 0 and top >= 0 and (left == 0 or top == 0):  # already scaled to this view
            image.setDevicePixelRatio(ratio)
            target = QRectF(left / ratio, top / ratio, width / ratio, height / ratio)
            self._paint_borders(painter, target.toRect())
            painter.drawImage(target.topLeft(), image)
            return
        box = self.image_box() or QRectF(self.rect())
        self._paint_borders(painter, box.toRect())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(box, image)

    def _paint_borders(self, painter: QPainter, box: QRect) -> None:
        whole = self.rect()
        if box.left() > 0 or box.right() < whole.right():
            painter.fillRect(QRect(0, 0, box.left() + 1, whole.height()), _BACKGROUND)
            painter.fillRect(QRect(box.right(), 0, whole.right() - box.right() + 1, whole.height()), _BACKGROUND)
        if box.top() > 0 or box.bottom() < whole.bottom():
            painter.fillRect(QRect(0, 0, whole.width(), box.top() + 1), _BACKGROUND)
            painter.fillRect(QRect(0, box.bottom(), whole.width(), whole.bottom() - box.bottom() + 1), _BACKGROUND)
