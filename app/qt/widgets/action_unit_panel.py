"""The panel of action units: a bar of occurrence per unit, a whisker of one deviation to each side, a threshold mark.

Trusted units come first. The others stand under a caption that says so, greyed and hatched, and never look present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEvent, QLineF, QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from app.overlay.unit_panel import CAPTION
from app.qt import theme
from app.qt.widgets.drawn_panel import WRAP, DrawnPanel, bold, hatch, told
from app.session.journal import FaceRow, RunHeader
from engine.facs import UNIT_NAMES, unit_code

#: Height of a line, in em.
_PITCH: Final = 1.35
#: Steps of a bar between 0 and 1; a smaller change is not painted.
_STEPS: Final = 250
#: Shortest bar, in em, that leaves room for the unit's name.
_BAR_EM: Final = 6.0
#: Lines that the summary at the top may take.
_SUMMARY_LINES: Final = 2
#: Height of the line at the foot, in em: three lines where the panel is narrow.
_FOOT_EM: Final = 4.0
#: Present units up to which the summary tells their names; of more it tells the codes alone.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is the same for a unit of a run."""

    place: int  # in FaceRow.occurrence
    number: int  # of FACS
    threshold: float
    trusted: bool


def unit_name(number: int) -> str:
    """The FACS name of a unit in the user's language; "" where FACS is not known to us."""
    return told(UNIT_NAMES[number]) if number in UNIT_NAMES else ""


class ActionUnitPanel(DrawnPanel):
    """Shows the action units of one face; the arrow keys go through the units and tell their numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(self.tr("Action units"))
        self._units: tuple[_Unit, ...] = ()
        self._trusted = 0  # of them
        self._row: FaceRow | None = None
        self._values: tuple[tuple[int, int], ...] = ()
        self._present: tuple[int, ...] = ()
        self._chosen: int | None = None  # place in _units
        self._bars: list[QRectF] = []  # of _units, when full; as painted last
        self._name_at = self._name_for = 0.0  # where names begin, and their width; as painted last
        self.setAccessibleDescription(self._summary())

    @property
    def present(self) -> tuple[int, ...]:
        """FACS numbers of the trusted units that are present."""
        return self._present

    def set_header(self, header: RunHeader | None) -> None:
        """Take over the units of a run; None: no run."""
        units = () if header is None else zip(header.au_codes, header.au_thresholds, strict=True)
        made = [
            _Unit(place, number, threshold, header is not None and number in header.au_trusted)
            for place, (number, threshold) in enumerate(units)
        ]
        self._units = tuple(sorted(made, key=lambda unit: not unit.trusted))
        self._trusted = sum(unit.trusted for unit in made)
        self._chosen = None
        self.show_row(None)
        self.updateGeometry()
        self.redraw(kept=True)

    def show_row(self, row: FaceRow | None) -> None:
        """Show a face; one that is not assessed, and None, have empty bars."""
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
        kept = present != self._present or bool(values) != bool(self._values)
        self._values, self._present = values, present
        if kept:
            self.setAccessibleDescription(self._summary())
        self.redraw(kept)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Wide enough for the names."""
        return QSize(round(self._name_left() + self._name_width() + (_BAR_EM + 1) * theme.em(self)), self._height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """Codes and short bars."""
        return QSize(round(14 * theme.em(self)), self._height())

    def draw_kept(self, painter: QPainter) -> None:
        """Summary, codes, names, empty bars, thresholds and the line at the foot."""
        colours, em = theme.current(), theme.em(self)
        if self._chosen is None:
            self._draw_told(painter, self._summary())
        others = [unit for unit in self._units if not unit.trusted]
        if others:
            painter.setPen(colours.colour("dim"))
            caption = QRectF(
                0.3 * em, self._top(len(self._units) - len(others)) - (_PITCH - 0.2) * em, self.width(), em
            )
            painter.drawText(caption, Qt.AlignmentFlag.AlignVCenter, told(CAPTION))
            x = 0.8 * em + QFontMetricsF(self.font()).horizontalAdvance(told(CAPTION))
            painter.setPen(QPen(colours.colour("line"), 1))
            painter.drawLine(QLineF(x, caption.center().y(), self.width() - 0.4 * em, caption.center().y()))
        self._name_at, self._name_for = self._name_left(), self._name_width()
        self._bars = [self._bar(line) for line in range(len(self._units))]
        for line, unit in enumerate(self._units):
            self._draw_line(painter, line, unit)
        painter.setFont(self.font())
        painter.setPen(colours.colour("dim"))
        foot = QRectF(0.3 * em, self._top(len(self._units)) + 0.4 * em, self.width() - 0.6 * em, 4.2 * em)
        painter.drawText(foot, WRAP, self._foot())

    def draw_values(self, painter: QPainter) -> None:
        """Bars, whiskers, and the numbers of the unit that is chosen."""
        if self._chosen is not None:
            self._draw_told(painter, self._numbers(self._units[self._chosen]))
        if not self._values:
            return
        colours, em = theme.current(), theme.em(self)
        striped = hatch(colours.hatch, colours.track, max(round(0.15 * em), 2))
        present, below = QBrush(colours.colour("present")), QBrush(colours.colour("below"))
        whiskers: dict[bool, list[QLineF]] = {True: [], False: []}
        up, highest, lowest = 0.22 * em, self.seen.top() - em, self.seen.bottom() + em
        for unit, bar in zip(self._units, self._bars, strict=True):
            top = bar.top()
            if not highest <= top <= lowest:
                continue
            mean, std = self._values[unit.place]
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
        """Tell the numbers of the unit under the pointer."""
        if event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            line = self._line_at(event.pos())
            told_now = self._foot() if line is None else self._tip(self._units[line])
            QToolTip.showText(event.globalPos(), told_now, self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """Up and down go through the units; Escape leaves them."""
        last = len(self._units) - 1
        at = self._chosen
        if event.key() == Qt.Key.Key_Down and last >= 0:
            self._choose(0 if at is None else min(at + 1, last))
        elif event.key() == Qt.Key.Key_Up and last >= 0:
            self._choose(last if at is None else max(at - 1, 0))
        elif event.key() == Qt.Key.Key_Escape and at is not None:
            self._choose(None)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Choose the unit that is clicked."""
        self._choose(self._line_at(event.position().toPoint()))

    def _choose(self, line: int | None) -> None:
        self._chosen = line
        said = self._summary() if line is None else self._numbers(self._units[line])
        self.setAccessibleDescription(said)
        self.redraw(kept=True)

    def _is_present(self, row: FaceRow, unit: _Unit) -> bool:
        return row.occurrence[unit.place] > unit.threshold

    def _draw_told(self, painter: QPainter, text: str) -> None:
        em = theme.em(self)
        painter.setFont(self.font())
        painter.setPen(theme.current().colour("text"))
        place = QRectF(0.3 * em, 0.2 * em, self.width() - 0.6 * em, (_SUMMARY_LINES + 0.2) * em)
        painter.drawText(place, WRAP, text)

    def _draw_line(self, painter: QPainter, line: int, unit: _Unit) -> None:
        """Code, name, empty bar and threshold of a unit."""
        colours, em, bar = theme.current(), theme.em(self), self._bars[line]
        top = self._top(line)
        if line == self._chosen:
            painter.setPen(QPen(colours.colour("accent"), 1.5))
            painter.drawRoundedRect(QRectF(2, top, self.width() - 4, _PITCH * em), 3, 3)
        here = unit.number in self._present
        painter.setPen(colours.colour("text" if unit.trusted and self._values else "dim"))
        painter.setFont(bold(self.font()) if here else self.font())
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(0.3 * em, top, self._name_at, _PITCH * em), flags, unit_code(unit.number))
        if self._has_names():
            name = QRectF(self._name_at, top, self._name_for, _PITCH * em)
            painter.drawText(name, flags, unit_name(unit.number))
        if not self._values:
            painter.setPen(QPen(colours.colour("dim"), 1, Qt.PenStyle.DotLine))
            painter.drawRect(bar)
            return
        painter.fillRect(bar, colours.colour("track"))
        if unit.trusted:  # no unit that is not trusted is ever called present, so it has no threshold
            x = bar.left() + bar.width() * unit.threshold
            painter.setPen(QPen(colours.colour("text"), max(0.1 * em, 1.0)))
            for edge, out in ((bar.top(), -0.2 * em), (bar.bottom(), 0.2 * em)):
                painter.drawLine(QLineF(x, edge, x, edge + out))

    def _top(self, line: int) -> float:
        """Upper edge of a line; under the trusted ones the caption takes a line."""
        caption = line >= self._trusted and self._trusted < len(self._units)
        return (_SUMMARY_LINES + 0.8 + (line + caption) * _PITCH) * theme.em(self)

    def _bar(self, line: int) -> QRectF:
        em = theme.em(self)
        left = self._name_at + (self._name_for if self._has_names() else 0.0)
        return QRectF(left, self._top(line) + 0.35 * em, max(self.width() - left - 0.5 * em, em), (_PITCH - 0.7) * em)

    def _has_names(self) -> bool:
        return self.width() - self._name_at - self._name_for >= _BAR_EM * theme.em(self)

    def _name_left(self) -> float:
        return QFontMetricsF(bold(self.font())).horizontalAdvance("AU24") + 0.9 * theme.em(self)

    def _name_width(self) -> float:
        metrics = QFontMetricsF(bold(self.font()))
        widths = [metrics.horizontalAdvance(unit_name(unit.number)) for unit in self._units]
        return max(widths, default=0.0) + 0.6 * theme.em(self)

    def _height(self) -> int:
        return round(self._top(len(self._units)) + _FOOT_EM * theme.em(self))

    def _line_at(self, place: QPoint) -> int | None:
        em = theme.em(self)
        for line in range(len(self._units)):
            if 0 <= place.y() - self._top(line) < _PITCH * em:
                return line
        return None

    def _foot(self) -> str:
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
        mean, std = self._row.occurrence[unit.place], self._row.occurrence_std[unit.place]
        if not unit.trusted:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, not trusted")
        elif unit.number in self._present:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, present (above {threshold:.2f})")
        else:
            form = self.tr("{unit}: {mean:.2f} ± {std:.2f}, not present (up to {threshold:.2f})")
        return form.format(unit=full_name(unit.number), mean=mean, std=std, threshold=unit.threshold)

    def _tip(self, unit: _Unit) -> str:
        kind = (
            self.tr("The bar is the occurrence from 0 to 1, the whisker one standard deviation to each side.")
            if unit.trusted
            else self.tr("The model is not good enough at this unit: do not build on it.")
        )
        return f"{self._numbers(unit)}\n{kind}\n{self._foot()}"


def full_name(number: int) -> str:
    """Code and name, as in ``AU12 lip corner puller``."""
    return f"{unit_code(number)} {unit_name(number)}".strip()
