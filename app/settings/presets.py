"""Presets of annotate: trade speed against the number of analysed frames and the delay in finding new faces."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from engine.config import EngineConfig
from engine.errors import ConfigError

if TYPE_CHECKING:  # imports numpy, which would slow down the start of the command line
    from engine.capture.source import SourceInfo

PresetName = Literal["speed", "balanced", "thorough"]

#: Lowest rate to which frames are skipped: decisions are averaged over half a second and shown after 0.15 s, which
#: needs about ten frames per second. Slightly lower, to accept 29.97 / 3.
_MIN_RATE_FPS: Final = 9.9


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset. No preset changes a limit of the models or of the face quality."""

    name: PresetName
    description: str  # one line for the user; translated by the window
    every_n: int = 1  # analyse at most every n-th frame; see `every_n_of`
    detect_every_s: float | None = None  # of TrackingConfig; None = unchanged
    video: bool = True  # write the annotated video

    def every_n_of(self, info: SourceInfo) -> int:
        """Interval of analysed frames for a source: at most `every_n`, less for low rates, 1 if the rate is unknown.

        Also 1 for live sources, which drop frames as needed, and for folders of images, where each one counts.
        """
        if info.is_live or info.fps is None:
            return 1
        return max(min(self.every_n, int(info.fps / _MIN_RATE_FPS)), 1)

    def configured(self, config: EngineConfig) -> EngineConfig:
        """Apply the preset to settings."""
        if self.detect_every_s is None:
            return config
        tracking = dataclasses.replace(config.tracking, detect_every_s=self.detect_every_s)
        return dataclasses.replace(config, tracking=tracking)


BALANCED: Final = Preset(
    "balanced", "Analyses every frame and writes the annotated video; looks for new faces four times a second."
)

#: In the order of the user interface.
PRESETS: Final = (
    Preset(
        "speed",
        "Analyses every second or third frame, never fewer than about ten a second; writes no annotated video.",
        every_n=3,
        video=False,
    ),
    BALANCED,
    Preset(
        "thorough",
        "As balanced, but looks for new faces in every frame; takes up to 1.5 times as long.",
        detect_every_s=0.0,
    ),
)


def preset_of(name: str) -> Preset:
    """Find a preset by its name.

    Raises:
        ConfigError: unknown name.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise ConfigError(f"unknown preset {name}: use {', '.join(each.name for each in PRESETS)}")
