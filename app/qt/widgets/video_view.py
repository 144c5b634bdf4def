"""The video view: paints an already scaled image, or a message where there is none. Zoomed and moved by the mouse."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.overlay.region import WHOLE, Box, Region, around
from app.qt import theme
from engine.types import UInt8

_BACKGROUND = QColor(12, 12, 14)
_TEXT = QColor(225, 225, 230)
#: Zoom factor of one notch of the wheel (120 eighths of a degree), and of the key.
_NOTCH: Final = 120
_STEP: Final = 1.25
_KEY_SHARE: Final = 0.4
#: A press that moves further, in pixels, is a drag and chooses no face.
_DRAG_PX: Final = 4.0


class VideoView(QWidget):
    """Shows an image centred on a dark background, or a message.

    The wheel zooms in at the pointer, a drag moves the part shown, a double click shows the whole image again. The
    view only announces the region: whoever renders the image cuts it out, at full resolution.
    """

    resized_px = Signal(int, int)  # size of the view in device pixels
    face_picked = Signal(float, float)  # click position as a fraction of the image's width and height
    region_changed = Signal(object)  # Region to render

    def __init__(self, parent: QWidget | None = None, zoomable: bool = True) -> None:
        """``zoomable``: whether the mouse zooms and moves."""
        super().__init__(parent)
        self._zoomable = zoomable
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName(self.tr("Picture"))
        self._image: UInt8 | None = None
        self._message = ""
        self._region = WHOLE
        self._pressed: QPointF | None = None  # where the button went down
        self._dragged = False

    @property
    def region(self) -> Region:
        """The part of the image shown."""
        return self._region

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

    def show_region(self, region: Region) -> None:
        """Show a part of the image."""
        if region != self._region and self._zoomable:
            self._region = region
            self.setCursor(Qt.CursorShape.OpenHandCursor if region != WHOLE else Qt.CursorShape.ArrowCursor)
            self.region_changed.emit(region)

    def toggle_zoom(self, box: Box | None) -> None:
        """Zoom to a box (None = the middle), or show all again."""
        self.show_region(around(box or (0.0, 0.0, 1.0, 1.0), _KEY_SHARE) if self._region == WHOLE else WHOLE)

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
        """Begin a click or a drag."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._pressed, self._dragged = event.position(), False
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Move the part shown."""
        box = self.image_box()
        if self._pressed is None or box is None:
            return
        moved = event.position() - self._pressed
        self._dragged = self._dragged or moved.manhattanLength() > _DRAG_PX
        if self._dragged:
            self._pressed = event.position()
            self.show_region(self._region.moved(-moved.x() / box.width(), -moved.y() / box.height()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Emit the position of a click inside the image."""
        at = self._share_at(event.position())
        if self._pressed is not None and not self._dragged and at is not None:
            self.face_picked.emit(*self._region.image_point(*at))
        self._pressed = None
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Show the whole image."""
        self.show_region(WHOLE)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        """Zoom at the pointer."""
        at = self._share_at(event.position())
        if at is not None and event.angleDelta().y():
            self.show_region(self._region.zoomed(_STEP ** (event.angleDelta().y() / _NOTCH), *at))
        event.accept()

    def _share_at(self, point: QPointF) -> tuple[float, float] | None:
        """A point in shares of the image drawn; None outside it."""
        box = self.image_box()
        if box is None or not box.contains(point):
            return None
        return (point.x() - box.left()) / box.width(), (point.y() - box.top()) / box.height()

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
