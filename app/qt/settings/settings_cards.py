"""Cards of the settings, each tied to fields of the preferences."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from PySide6.QtCore import QCoreApplication, QLocale, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from app.qt.preference_store import PreferenceStore
from app.qt.theme import SCALES, theme_names
from app.qt.translation import installed_languages
from app.qt.widgets.expression_panel import MAX_NATS
from app.qt.widgets.file_dialogs import nearest_folder
from app.qt.widgets.form import Choice, add_field, choice_box, select
from app.qt.widgets.page_parts import Card, breakable, text_label
from app.settings.limits import Limits
from engine.backends.registry import BACKENDS, is_installed
from engine.config import MAX_THREADS, TrackerName

#: A folder dialog: takes parent, title and initial folder, returns None if cancelled.
AskFolder = Callable[[QWidget, str, Path], Path | None]


def ask_folder(parent: QWidget, title: str, first: Path) -> Path | None:
    """Choose a folder in a dialog; None if cancelled."""
    chosen = QFileDialog.getExistingDirectory(parent, title, nearest_folder(first))
    return Path(chosen) if chosen else None


class RuntimeCard(Card):
    """Backend, threads and tracker; a change takes effect when a source is started next."""

    def __init__(self, store: PreferenceStore, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Runtime"), parent)
        self._store = store
        missing = self.tr("{name} (not installed)")
        backends = [Choice(None, self.tr("Automatic: the first that runs here"))]
        for name in BACKENDS:
            available = is_installed(name)
            backends.append(Choice(name, name if available else missing.format(name=name), available))
        self.backend = choice_box(backends, store.now.backend, lambda value: store.change(backend=value))
        add_field(self.body, self.tr("The models run on"), self.backend)
        self.threads = QSpinBox()
        self.threads.setRange(1, max(store.now.threads, min(os.cpu_count() or 1, MAX_THREADS)))
        self.threads.setValue(store.now.threads)
        self.threads.valueChanged.connect(lambda value: store.change(threads=value))
        add_field(
            self.body,
            self.tr("Threads of the models"),
            self.threads,
            self.tr("The networks are small: a second thread gains little."),
        )
        trackers = []
        for name in get_args(TrackerName):
            available = name == "litert" or find_spec(name) is not None
            text = self.tr("Built in") if name == "litert" else self.tr("The package {name}").format(name=name)
            trackers.append(Choice(name, text if available else missing.format(name=text), available))
        self.tracker = choice_box(trackers, store.now.tracker, lambda value: store.change(tracker=value))
        add_field(self.body, self.tr("Face tracker"), self.tracker)
        text = self.tr("Takes effect when a source is started next. Live shows what is in use under Performance.")
        self.body.addWidget(text_label(text, "dim"))
        store.changed.connect(self._follow)

    def _follow(self) -> None:
        select(self.backend, self._store.now.backend)
        select(self.tracker, self._store.now.tracker)


class LimitsCard(Card):
    """The two limits: the model's own and the user's."""

    def __init__(self, store: PreferenceStore, own: Limits, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Limits"), parent)
        self._store, self._own = store, own
        line = self.tr("Assess fewer faces, be right more often: lower both. They can also be set in Live.")
        self.body.addWidget(text_label(line))
        own_text = self.tr("The model's own: {value}")
        self.accept = _number(MAX_NATS, lambda value: self._change(aleatoric_limit=value))
        self.accept.setSuffix(self.tr(" nats"))
        add_field(
            self.body,
            self.tr("Ambiguous above this aleatoric uncertainty"),
            self.accept,
            own_text.format(value=f"{own.aleatoric_limit:.3f}"),
        )
        self.ood = _number(1.0, lambda value: self._change(ood_limit=value))
        add_field(
            self.body,
            self.tr("Not assessed above this epistemic score (0 to 1)"),
            self.ood,
            own_text.format(value=f"{own.ood_limit:.3f}"),
        )
        self.reset = QPushButton(self.tr("Back to the model's own"))
        self.reset.clicked.connect(lambda checked=False: store.change(limits=None))
        self.body.addWidget(self.reset, 0, Qt.AlignmentFlag.AlignLeft)
        store.changed.connect(self._follow)
        self._follow()

    def _change(self, **fields: float) -> None:
        now = dataclasses.replace(self._store.now.limits or self._own, **fields)
        self._store.change(limits=None if now == self._own else now)

    def _follow(self) -> None:
        now = self._store.now.limits or self._own
        for box, value in ((self.accept, now.aleatoric_limit), (self.ood, now.ood_limit)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self.reset.setEnabled(self._store.now.limits is not None)


class FolderCard(Card):
    """Folders of recordings and annotations."""

    def __init__(self, store: PreferenceStore, ask: AskFolder = ask_folder, parent: QWidget | None = None) -> None:
        super().__init__(QCoreApplication.translate("mien", "Folders"), parent)
        self._store, self._ask = store, ask
        self.paths: dict[str, QLabel] = {}
        self.buttons: dict[str, QPushButton] = {}
        self._add("recordings", self.tr("Recordings of Live"))
        self._add("annotations", self.tr("Results of Annotate"))
        store.changed.connect(self._follow)
        self._follow()

    def _add(self, field: str, caption: str) -> None:
        path = text_label("")
        button = QPushButton(self.tr("Choose…"))
        button.setAccessibleName(self.tr("Choose the folder: {what}").format(what=caption))
        button.clicked.connect(lambda checked=False: self._choose(field, caption))
        for widget in (text_label(caption, "dim"), path):
            self.body.addWidget(widget)
        self.body.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        self.paths[field], self.buttons[field] = path, button

    def _choose(self, field: str, caption: str) -> None:
        folder = self._ask(self, caption, getattr(self._store.now, field))
        if folder is not None:
            self._store.change(**{field: folder})

    def _follow(self) -> None:
        for field, label in self.paths.items():
            folder = str(getattr(self._store.now, field))
            label.setText(breakable(folder))
            label.setToolTip(folder)


class AppearanceCard(Card):
    """Theme, text size, and the language if translations are installed."""

    def __init__(
        self, store: PreferenceStore, languages: dict[str, Path] | None = None, parent: QWidget | None = None
    ) -> None:
        """``languages`` as app.qt.translation.installed_languages gives them, which it does when it is None."""
        super().__init__(QCoreApplication.translate("mien", "Appearance"), parent)
        self._store = store
        themes = [Choice(theme.value, name) for theme, name in theme_names().items()]
        self.theme = choice_box(themes, store.now.theme, lambda value: store.change(theme=value))
        add_field(self.body, self.tr("Theme"), self.theme)
        scales = [Choice(percent, self.tr("{percent} %").format(percent=percent)) for percent in SCALES]
        self.scale = choice_box(scales, store.now.scale_percent, lambda value: store.change(scale_percent=value))
        add_field(self.body, self.tr("Size of text and controls"), self.scale)
        self.language: QComboBox | None = None
        installed = installed_languages() if languages is None else languages
        if installed:
            choices = _language_choices(self.tr("As the desktop"), installed)
            self.language = choice_box(choices, store.now.language, lambda value: store.change(language=value))
            add_field(self.body, self.tr("Language"), self.language, self.tr("Takes effect at the next start."))
        store.changed.connect(self._follow)

    def _follow(self) -> None:
        select(self.theme, self._store.now.theme)
        select(self.scale, self._store.now.scale_percent)


def _language_choices(desktop_text: str, installed: dict[str, Path]) -> list[Choice]:
    codes = ("en", *installed)
    return [Choice("", desktop_text)] + [Choice(code, QLocale(code).nativeLanguageName() or code) for code in codes]


def _number(maximum: float, on_change: Callable[[float], None]) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(3)
    box.setSingleStep(0.01)
    box.setRange(0.0, maximum)
    box.setKeyboardTracking(False)
    box.valueChanged.connect(on_change)
    return box
