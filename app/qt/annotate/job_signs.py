"""The signs that tell the states of a job apart without colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app.jobs.job_queue import JobState
from app.qt.theme import Theme


def draw_sign(painter: QPainter, square: QRectF, state: JobState, theme: Theme) -> None:
    """Draw the sign of a state into a square."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(square.topLeft())
    painter.scale(square.width(), square.height())  # signs are drawn in a square of 1 x 1
    _SIGNS[state](painter, theme)
    painter.restore()


def _pen(colour: str, width: float = 0.08) -> QPen:
    return QPen(QColor(colour), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


def _ring(painter: QPainter, colour: str) -> None:
    painter.setPen(_pen(colour))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(QRectF(0.06, 0.06, 0.88, 0.88))


def _disc(painter: QPainter, colour: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawEllipse(QRectF(0.02, 0.02, 0.96, 0.96))


def _line(painter: QPainter, *points: tuple[float, float]) -> None:
    painter.drawPolyline(QPolygonF([QPointF(*point) for point in points]))


def _clock(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.dim)
    _line(painter, (0.5, 0.26), (0.5, 0.52), (0.68, 0.62))


def _playing(painter: QPainter, theme: Theme) -> None:
    _disc(painter, theme.accent)
    painter.setBrush(QColor(theme.on_accent))
    painter.drawPolygon(QPolygonF([QPointF(0.38, 0.26), QPointF(0.76, 0.5), QPointF(0.38, 0.74)]))


def _two_bars(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.text)
    painter.setPen(_pen(theme.text, 0.11))
    _line(painter, (0.39, 0.34), (0.39, 0.66))
    _line(painter, (0.61, 0.34), (0.61, 0.66))


def _check(painter: QPainter, theme: Theme) -> None:
    _disc(painter, theme.present)
    painter.setPen(_pen(theme.on_accent, 0.11))
    _line(painter, (0.28, 0.52), (0.44, 0.68), (0.73, 0.34))


def _triangle(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme.recording, 0.08))
    painter.setBrush(QColor(theme.recording))
    painter.drawPolygon(QPolygonF([QPointF(0.5, 0.08), QPointF(0.95, 0.9), QPointF(0.05, 0.9)]))
    painter.setPen(_pen(theme.panel, 0.1))
    _line(painter, (0.5, 0.38), (0.5, 0.6))
    _line(painter, (0.5, 0.77), (0.5, 0.775))


def _square(painter: QPainter, theme: Theme) -> None:
    _ring(painter, theme.dim)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.dim))
    painter.drawRect(QRectF(0.34, 0.34, 0.32, 0.32))


def _broken_ring(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme.text))
    painter.drawArc(QRectF(0.1, 0.1, 0.8, 0.8), 60 * 16, 300 * 16)  # in sixteenths of a degree
    painter.setBrush(QColor(theme.text))
    painter.drawPolygon(QPolygonF([QPointF(0.62, 0.02), QPointF(0.86, 0.2), QPointF(0.6, 0.32)]))


_SIGNS: Final[dict[JobState, Callable[[QPainter, Theme], None]]] = {
    JobState.WAITING: _clock,
    JobState.RUNNING: _playing,
    JobState.PAUSED: _two_bars,
    JobState.DONE: _check,
    JobState.FAILED: _triangle,
    JobState.CANCELLED: _square,
    JobState.INTERRUPTED: _broken_ring,
}
