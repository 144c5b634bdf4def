"""The action units of one face: a bar of occurrence per unit, whiskers of one standard deviation, a threshold mark.

Trusted units come first. The others are hidden; if asked for, they follow under a caption, greyed and hatched, and
never look present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEvent, QLineF, QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from app.overlay.words import CAPTION
from app.qt import theme
from app.qt.translation import translated
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, bold
from app.qt.widgets.patterns import hatch
from app.session.rows import FaceRow, SessionHeader
from engine.facs import UNIT_NAMES, unit_code

#: Line height, in em.
_PITCH: Final = 1.35
#: Resolution of a bar; a smaller change is not painted.
_STEPS: Final = 250
#: Names are shown if bars of this length, in em, remain.
_BAR_EM: Final = 6.0
#: Lines reserved for the summary at the top.
_SUMMARY_LINES: Final = 2
#: Height of the note at the bottom, in em: three lines in a narrow panel.
_NOTE_EM: Final = 4.0
#: The summary names up to this many present units; of more it shows only the codes.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit of the session."""

    index: int  # in FaceRow.occurrence
    number: int  # FACS number
    threshold: float
    trusted: bool


def unit_name(number: int) -> str:
    """The translated FACS name of a unit; "" if unknown."""
    return translated(UNIT_NAMES[number]) if number in UNIT_NAMES else ""


class ActionUnitPanel(DrawnPanel):
    """Shows the action units of one face; Up and Down select a unit and show its numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Action units"))
        self._header: SessionHeader | None = None
        self._all = False
        self._units: tuple[_Unit, ...] = ()
        self._trusted = 0  # number of trusted units
        self._row: FaceRow | None = None
        self._values: tuple[tuple[int, int], ...] = ()
        self._present: tuple[int, ...] = ()
        self._selected: int | None = None  # index in _units
        self._bars: list[QRectF] = []  # full bars of _units, from the last repaint
        self._name_left = self._name_width = 0.0  # column of the names, from the last repaint
        self.setAccessibleDescription(self._summary())

    @property
    def present(self) -> tuple[int, ...]:
        """FACS numbers of the trusted units that are present."""
        return self._present

    def bar_box(self, line: int) -> QRectF:
        """The rectangle of a full bar as last painted, in widget coordinates; trusted units have the first lines."""
        return QRectF(self._bars[line])

    def set_header(self, header: SessionHeader | None) -> None:
        """Show the units of a session; None: no session."""
        self._header = header
        units = () if header is None else zip(header.au_codes, header.au_thresholds, strict=True)
        listed = [
            _Unit(index, number, threshold, header is not None and number in header.au_trusted)
            for index, (number, threshold) in enumerate(units)
            if header is not None and (self._all or number in header.au_trusted)
        ]
        self._units = tuple(sorted(listed, key=lambda unit: not unit.trusted))
        self._trusted = sum(unit.trusted for unit in listed)
        self._selected = None
        self.show_row(None)
        self.updateGeometry()
        self.redraw(static=True)

    def show_all_units(self, everything: bool) -> None:
        """List the units that are not trusted too."""
        row, self._all = self._row, everything
        self.set_header(self._header)
        self.show_row(row)

    def show_row(self, row: FaceRow | None) -> None:
        """Show a face; one that is not assessed, and None, get empty bars."""
        if row is not None and not row.occurrence:
            row = None
        values = (
            ()
            if row is None
            else tuple(
                (round(_STEPS * mean), round(_STEPS * std))
                for mean, std in zip(row.occurrence, row.occurrence_std, strict=True)
            )
        )
        present = () if row is None else tuple(u.number for u in self._units if u.trusted and self._is_present(row, u))
        self._row = row
        if values == self._values:
            return
        static = present != self._present or bool(values) != bool(self._values)
        self._values, self._present = values, present
        if static:
            self.setAccessibleDescription(self._summary())
        self.redraw(static)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Wide enough for the names."""
        return QSize(round(self._code_width() + self._widest_name() + (_BAR_EM + 1) * theme.em(self)), self._height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Codes and short bars."""
        return QSize(round(14 * theme.em(self)), self._height())

    def draw_static(self, painter: QPainter) -> None:
        """Draw summary, codes, names, empty bars, thresholds and the note at the bottom."""
        colours, em = theme.current(), theme.em(self)
        if self._selected is None:
            self._draw_summary(painter, self._summary())
        others = [unit for unit in self._units if not unit.trusted]
        if others:
            painter.setPen(colours.colour("dim"))
            caption = QRectF(
                0.3 * em, self._top(len(self._units) - len(others)) - (_PITCH - 0.2) * em, self.width(), em
            )
            painter.drawText(caption, Qt.AlignmentFlag.AlignVCenter, translated(CAPTION))
            x = 0.8 * em + QFontMetricsF(self.font()).horizontalAdvance(translated(CAPTION))
            painter.setPen(QPen(colours.colour("line"), 1))
            painter.drawLine(QLineF(x, caption.center().y(), self.width() - 0.4 * em, caption.center().y()))
        self._name_left, self._name_width = self._code_width(), self._widest_name()
        self._bars = [self._bar(line) for line in range(len(self._units))]
        for line, unit in enumerate(self._units):
            self._draw_line(painter, line, unit)
        painter.setFont(self.font())
        painter.setPen(colours.colour("dim"))
        note = QRectF(0.3 * em, self._top(len(self._units)) + 0.4 * em, self.width() - 0.6 * em, 4.2 * em)
        painter.drawText(note, WRAP, self._note())

    def draw_dynamic(self, painter: QPainter) -> None:
        """Draw bars, whiskers and the numbers of the selected unit."""
        if self._selected is not None:
            self._draw_summary(painter, self._numbers(self._units[self._selected]))
        if not self._values:
            return
        colours, em = theme.current(), theme.em(self)
        striped = hatch(colours.hatch, colours.track, max(round(0.15 * em), 2))
        present, below = QBrush(colours.colour("present")), QBrush(colours.colour("below"))
        whiskers: dict[bool, list[QLineF]] = {True: [], False: []}
        up, highest, lowest = 0.22 * em, self.exposed.top() - em, self.exposed.bottom() + em
        for unit, bar in zip(self._units, self._bars, strict=True):
            top = bar.top()
            if not highest <= top <= lowest:
                continue
            mean, std = self._values[unit.index]
            left, full, height = bar.left(), bar.width(), bar.height()
            here = unit.number in self._present
            painter.fillRect(
                QRectF(left, top, full * mean / _STEPS, height),
                (present if here else below) if unit.trusted else striped,
            )
            low, high = left + full * max(mean - std, 0) / _STEPS, left + full * min(mean + std, _STEPS) / _STEPS
            middle = top + height / 2
            whiskers[unit.trusted] += [
                QLineF(low, middle, high, middle),
                QLineF(low, middle - up, low, middle + up),
                QLineF(high, middle - up, high, middle + up),
            ]
        for trusted, lines in whiskers.items():
            painter.setPen(QPen(colours.colour("text" if trusted else "dim"), max(0.08 * em, 1.0)))
            painter.drawLines(lines)

    def event(self, event: QEvent) -> bool:
        """Show the numbers of the unit under the pointer as a tooltip."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            line = self._line_at(event.pos())
            text = self._note() if line is None else self._tip(self._units[line])
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Select units with Up and Down; Escape clears the selection."""
        last = len(self._units) - 1
        at = self._selected
        if event.key() == Qt.Key.Key_Down and last >= 0:
            self._select(0 if at is None else min(at + 1, last))
        elif event.key() == Qt.Key.Key_Up and last >= 0:
            self._select(last if at is None else max(at - 1, 0))
        elif event.key() == Qt.Key.Key_Escape and at is not None:
            self._select(None)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Select the clicked unit."""
        self._select(self._line_at(event.position().toPoint()))

    def _select(self, line: int | None) -> None:
        self._selected = line
        self.setAccessibleDescription(self._summary() if line is None else self._numbers(self._units[line]))
        self.redraw(static=True)

    def _is_present(self, row: FaceRow, unit: _Unit) -> bool:
        return row.occurrence[unit.index] > unit.threshold

    def _draw_summary(self, painter: QPainter, text: str) -> None:
        em = theme.em(self)
        painter.setFont(self.font())
        painter.setPen(theme.current().colour("text"))
        box = QRectF(0.3 * em, 0.2 * em, self.width() - 0.6 * em, (_SUMMARY_LINES + 0.2) * em)
        painter.drawText(box, WRAP, text)

    def _draw_line(self, painter: QPainter, line: int, unit: _Unit) -> None:
        """Draw code, name, empty bar and threshold of a unit."""
        colours, em, bar = theme.current(), theme.em(self), self._bars[line]
        top = self._top(line)
        if line == self._selected:
            painter.setPen(QPen(colours.colour("accent"), 1.5))
            painter.drawRoundedRect(QRectF(2, top, self.width() - 4, _PITCH * em), 3, 3)
        here = unit.number in self._present
        painter.setPen(colours.colour("text" if unit.trusted and self._values else "dim"))
        painter.setFont(bold(self.font()) if here else self.font())
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(0.3 * em, top, self._name_left, _PITCH * em), flags, unit_code(unit.number))
        if self._has_names():
            name = QRectF(self._name_left, top, self._name_width, _PITCH * em)
            painter.drawText(name, flags, unit_name(unit.number))
        if not self._values:
            painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(bar)
            return
        painter.fillRect(bar, colours.colour("track"))
        if unit.trusted:  # untrusted units are never called present, so they have no threshold
            x = bar.left() + bar.width() * unit.threshold
            painter.setPen(QPen(colours.colour("text"), max(0.1 * em, 1.0)))
            for edge, out in ((bar.top(), -0.2 * em), (bar.bottom(), 0.2 * em)):
                painter.drawLine(QLineF(x, edge, x, edge + out))

    def _top(self, line: int) -> float:
        """Upper edge of a line in pixels; the caption takes a line after the trusted units."""
        caption = line >= self._trusted and self._trusted < len(self._units)
        return (_SUMMARY_LINES + 0.8 + (line + caption) * _PITCH) * theme.em(self)

    def _bar(self, line: int) -> QRectF:
        em = theme.em(self)
        left = self._name_left + (self._name_width if self._has_names() else 0.0)
        return QRectF(left, self._top(line) + 0.35 * em, max(self.width() - left - 0.5 * em, em), (_PITCH - 0.7) * em)

    def _has_names(self) -> bool:
        return self.width() - self._name_left - self._name_width >= _BAR_EM * theme.em(self)

    def _code_width(self) -> float:
        return QFontMetricsF(bold(self.font())).horizontalAdvance("AU24") + 0.9 * theme.em(self)

    def _widest_name(self) -> float:
        metrics = QFontMetricsF(bold(self.font()))
        widths = [metrics.horizontalAdvance(unit_name(unit.number)) for unit in self._units]
        return max(widths, default=0.0) + 0.6 * theme.em(self)

    def _height(self) -> int:
        return round(self._top(len(self._units)) + _NOTE_EM * theme.em(self))

    def _line_at(self, point: QPoint) -> int | None:
        em = theme.em(self)
        for line in range(len(self._units)):
            if 0 <= point.y() - self._top(line) < _PITCH * em:
                return line
        return None

    def _note(self) -> str:
        return self.tr("Estimated muscle movements (FACS codes), not a certified FACS coding.")

    def _summary(self) -> str:
        if self._row is None:
            return self.tr("Action units: not assessed")
        if not self._present:
            return self.tr("None of the trusted units is present")
        name = full_name if len(self._present) <= _NAMED else unit_code
        return self.tr("Present: {units}").format(units=", ".join(map(name, self._present)))

    def _numbers(self, unit: _Unit) -> str:
        if self._row is None:
            return self.tr("{unit}: not assessed").format(unit=full_name(unit.number))
        mean, std = self._row.occurrence[unit.index], self._row.occurrence_std[unit.index]
        if not unit.trusted:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, not trusted")
        elif unit.number in self._present:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, present (above {threshold:.2f})")
        else:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, not present (up to {threshold:.2f})")
        numbers = form.format(unit=full_name(unit.number), mean=mean, std=std, threshold=unit.threshold)
        if not self._row.intensity:
            return numbers
        graded = self.tr("intensity {value:.1f} of 5").format(value=self._row.intensity[unit.index])
        return f"{numbers}; {graded}"

    def _tip(self, unit: _Unit) -> str:
        kind = (
            self.tr("The bar is the occurrence from 0 to 1, the whisker one standard deviation to each side.")
            if unit.trusted
            else self.tr("The model is not accurate enough for this unit to rely on it.")
        )
        return f"{self._numbers(unit)}\n{kind}\n{self._note()}"


def full_name(number: int) -> str:
    """Code and translated name, such as ``AU12 lip corner puller``."""
    return f"{unit_code(number)} {unit_name(number)}".strip()
