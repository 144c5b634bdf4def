"""The arrangement of Live and Review: the picture first, a side column at the right, a dock below.

Three layouts: simple shows one panel beside and one below the picture, research all of them as tabs, presentation none.
In a narrow window the panels of the side become tabs of the dock. Nothing scrolls inside something that scrolls: a
panel either scrolls itself or is put into one area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.qt import theme
from app.qt.widgets.glyph_button import Glyph, GlyphButton
from app.qt.widgets.page_parts import SideArea

#: Up to this width of the window, in em (960 pixels at 100 %), the side becomes tabs.
NARROW_EM: Final = 64.0
#: Beside something else, with less than this share of the window's width, that width of its own counts.
_SHARED: Final = 0.7
#: Width of the side and height of the dock in em, in the layout research.
_SIDE_EM: Final = 23.0
_DOCK_EM: Final = 19.0
#: Share of the height that the dock has in a narrow window, and at most in any other.
_NARROW_DOCK: Final = 0.42
_MAX_DOCK: Final = 0.45
#: Size in pixels before the first layout: that of the page in a window of 1280x800.
_FIRST_SIZE: Final = (1236, 740)


class WorkspaceLayout(str, Enum):
    """Values of the preference ``layout``."""

    SIMPLE = "simple"
    RESEARCH = "research"
    PRESENTATION = "presentation"


@dataclass(frozen=True, slots=True)
class Panel:
    """A part beside or below the picture."""

    title: str  # translated
    widget: QWidget
    scrolls: bool = False  # whether it scrolls itself; others are put into a scroll area


class Workspace(QWidget):
    """Picture, side and dock of one page."""

    #: The user chose another layout (WorkspaceLayout).
    layout_chosen = Signal(object)

    def __init__(
        self,
        name: str,
        picture: Sequence[QWidget],
        side: Sequence[Panel],
        dock: Sequence[Panel],
        make_action: Callable[..., QAction],
        layout: WorkspaceLayout = WorkspaceLayout.SIMPLE,
        simple: int = 1,
    ) -> None:
        """Arrange the panels, the most important ones first.

        Args:
            name: of the page, for the stored sizes of the splitters.
            picture: the view, and its transport below.
            side: panels of the column at the right.
            dock: panels below the picture.
            make_action: as `app.qt.widgets.page.Page.make_action`.
            layout: shown at first.
            simple: number of panels of the side in the layout simple.
        """
        super().__init__()
        self.side, self.dock = _tabs(self.tr("Side panel")), _tabs(self.tr("Panel below the picture"))
        self._titles: dict[QWidget, str] = {}
        self._spare = QWidget(self)  # parent of the pages that are not shown
        self._spare.hide()
        self._side_pages = [self._page(panel) for panel in side]
        self._dock_pages = [self._page(panel) for panel in dock]
        self._pages_of = {
            panel.widget: page
            for panel, page in zip((*side, *dock), (*self._side_pages, *self._dock_pages), strict=True)
        }
        self._rows, self._columns = QSplitter(Qt.Orientation.Vertical), QSplitter(Qt.Orientation.Horizontal)
        self._rows.setObjectName(f"{name}-rows")  # the main window stores the state of named splitters
        self._columns.setObjectName(f"{name}-columns")
        self._rows.addWidget(_stacked(picture))
        self._rows.addWidget(self.dock)
        self._columns.addWidget(self._rows)
        self._columns.addWidget(self.side)
        for splitter in (self._rows, self._columns):
            splitter.setStretchFactor(0, 1)
            splitter.setCollapsible(0, False)
            splitter.setHandleWidth(4)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._columns)
        self._chosen = self._followed = layout
        self._narrow, self._settled, self._simple = False, False, simple
        self._make_actions(make_action)
        self.chooser = QComboBox()
        self.chooser.setAccessibleName(self.tr("Layout"))
        self.chooser.setToolTip(self.tr("How much is shown beside and below the picture"))
        for action in self._layout_actions:
            self.chooser.addItem(action.text())
        self.chooser.activated.connect(lambda place: self._layout_actions[place].trigger())
        self.switches = (GlyphButton(Glyph.SIDE, self.side_action), GlyphButton(Glyph.DOCK, self.dock_action))
        self._arrange()
        self._apply_sizes(_FIRST_SIZE)

    @property
    def chosen(self) -> WorkspaceLayout:
        """The layout shown."""
        return self._chosen

    @property
    def narrow(self) -> bool:
        """Whether the panels of the side are tabs of the dock."""
        return self._narrow

    @property
    def actions_of_layout(self) -> tuple[QAction, ...]:
        """The actions for the menu."""
        return (*self._layout_actions, self.side_action, self.dock_action)

    def choose(self, layout: WorkspaceLayout) -> None:
        """Show a layout, with its usual sizes if it is another one."""
        if layout is not self._chosen:
            self._chosen = layout
            self.side_action.setChecked(True)
            self.dock_action.setChecked(True)
            self._arrange()
            self._apply_sizes((self.width(), self.height()))

    def follow(self, layout: WorkspaceLayout) -> None:
        """Show the layout that another page has chosen; the same one again changes nothing."""
        if layout is not self._followed:
            self._followed = layout
            self.choose(layout)

    def reveal(self, widget: QWidget) -> None:
        """Bring a panel to the front; a layout that does not have it is left for research."""
        page = self._pages_of[widget]
        if all(tabs.indexOf(page) < 0 for tabs in (self.side, self.dock)) or not self._shows_panels():
            self._layout_actions[1].trigger()
        tabs = self.side if self.side.indexOf(page) >= 0 else self.dock
        (self.side_action if tabs is self.side else self.dock_action).setChecked(True)
        tabs.setCurrentWidget(page)

    def enlarge_dock(self, share: float) -> None:
        """Give the dock this share of the height, or, with 0, its usual one."""
        height = sum(self._rows.sizes())
        dock = round(height * share) if share else self._usual_sizes(height)[1]
        self._rows.setSizes([max(height - dock, 1), dock])

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        """From now on a change between wide and narrow resets the sizes; until then stored ones are restored."""
        super().showEvent(event)
        self._follow_width()
        self._settled = True

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Move the side into the dock and back."""
        super().resizeEvent(event)
        self._follow_width()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Adapt to the text size."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._follow_width()

    def _follow_width(self) -> None:
        whole = self.window().width()
        narrow = (self.width() if self.width() < _SHARED * whole else whole) <= NARROW_EM * theme.em(self)
        if narrow != self._narrow and self.isVisible():
            self._narrow = narrow
            self.switches[0].setVisible(not narrow)  # there is no side to show
            self._arrange()
            if self._settled or not self._restored():
                self._apply_sizes((self.width(), self.height()))

    def _restored(self) -> bool:
        """Whether the main window has set sizes before the first showing."""
        return (self._rows.saveState(), self._columns.saveState()) != self._first

    def _shows_panels(self) -> bool:
        return self._chosen is not WorkspaceLayout.PRESENTATION

    def _page(self, panel: Panel) -> QWidget:
        page = panel.widget if panel.scrolls else SideArea(panel.widget)
        page.setParent(self._spare)
        self._titles[page] = panel.title
        return page

    def _arrange(self) -> None:
        """Fill side and dock for the layout and the width."""
        everything = self._chosen is WorkspaceLayout.RESEARCH
        side = self._side_pages if everything else self._side_pages[: self._simple]
        dock = self._dock_pages if everything else self._dock_pages[:1]
        self._fill(self.side, [] if self._narrow else side)
        self._fill(self.dock, [*side, *dock] if self._narrow else dock)
        place = list(WorkspaceLayout).index(self._chosen)
        self._layout_actions[place].setChecked(True)
        self.chooser.setCurrentIndex(place)
        self._show_parts()

    def _fill(self, tabs: QTabWidget, pages: Sequence[QWidget]) -> None:
        """Put these pages into the tabs; the current one stays in front if it is among them."""
        before = [page for place in range(tabs.count()) if (page := tabs.widget(place)) is not None]
        if before == list(pages):
            return
        current = tabs.currentWidget()
        for page in before:
            tabs.removeTab(0)
            page.setParent(self._spare)
        for page in pages:
            tabs.addTab(page, self._titles[page])
        if current in pages:
            tabs.setCurrentWidget(current)

    def _show_parts(self) -> None:
        panels = self._shows_panels()
        self.side.setVisible(panels and not self._narrow and self.side_action.isChecked())
        self.dock.setVisible(panels and self.dock_action.isChecked())
        self.side_action.setEnabled(panels and not self._narrow)
        self.dock_action.setEnabled(panels)

    def _apply_sizes(self, size: tuple[int, int]) -> None:
        """Give the panels their usual sizes in a workspace of this size in pixels."""
        width, height = size
        side, dock = self._usual_sizes(height)
        self._columns.setSizes([max(width - side, 1), side])
        self._rows.setSizes([max(height - dock, 1), dock])
        self._first = (self._rows.saveState(), self._columns.saveState())

    def _usual_sizes(self, height: int) -> tuple[int, int]:
        """Width of the side and height of the dock in pixels, in a workspace of this height."""
        em = theme.em(self)
        side, dock = self.side.minimumSizeHint().width(), self.dock.minimumSizeHint().height()
        if self._chosen is WorkspaceLayout.RESEARCH:
            side, dock = (
                max(side, round(_SIDE_EM * em)),
                max(dock, min(round(_DOCK_EM * em), round(_MAX_DOCK * height))),
            )
        if self._narrow:
            dock = max(dock, round(_NARROW_DOCK * height))
        return side, dock

    def _make_actions(self, make: Callable[..., QAction]) -> None:
        texts = (
            (self.tr("Simple"), self.tr("The picture, its faces and one strip below")),
            (self.tr("Research"), self.tr("All panels")),
            (self.tr("Presentation"), self.tr("The picture alone")),
        )
        group = QActionGroup(self)
        self._layout_actions = []
        for place, ((text, tip), layout) in enumerate(zip(texts, WorkspaceLayout, strict=True)):
            action = make(text, f"Alt+{place + 1}", partial(self._choose_and_tell, layout), tip)
            action.setCheckable(True)
            group.addAction(action)
            self._layout_actions.append(action)
        self.side_action = make(self.tr("Side panel"), "Ctrl+B")
        self.dock_action = make(self.tr("Lower panel"), "Ctrl+J")
        for action in (self.side_action, self.dock_action):
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._show_parts)

    def _choose_and_tell(self, layout: WorkspaceLayout) -> None:
        self._followed = layout
        self.choose(layout)
        self.layout_chosen.emit(layout)


def _stacked(parts: Sequence[QWidget]) -> QWidget:
    """The parts of the picture, of which the first one grows."""
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    for place, part in enumerate(parts):
        column.addWidget(part, 0 if place else 1)
    return whole


def _tabs(name: str) -> QTabWidget:
    tabs = QTabWidget()
    tabs.setAccessibleName(name)
    tabs.setDocumentMode(True)
    tabs.setTabBarAutoHide(True)
    tabs.setFocusProxy(None)  # type: ignore[arg-type]  # None removes it: Tab would stop at a tab bar that is hidden
    tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return tabs
