"""Presets of annotate: how much of a film is analysed, and how soon new faces are found, for the time that it takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from engine.config import EngineConfig
from engine.errors import ConfigError

if TYPE_CHECKING:  # it imports numpy, which the command line must not wait for
    from engine.capture.source import SourceInfo

PresetName = Literal["speed", "balanced", "thorough"]

#: Frames left out must leave so many per second: decisions are averaged over half a second and shown after 0.15 s,
#: for which fewer would be too few. Ten, less a little for 29.97 / 3.
_MIN_RATE_FPS: Final = 9.9


@dataclass(frozen=True, slots=True)
class Preset:
    """One choice. No preset moves a limit of the models or of the quality of a face."""

    name: PresetName
    told: str  # one line for the user; windows translate it
    every_n: int = 1  # analyse every n-th frame, and more where too few would be left; see `every_n_of`
    detect_every_s: float | None = None  # of TrackingConfig; None = as the settings say
    video: bool = True  # write the annotated video

    def every_n_of(self, info: SourceInfo) -> int:
        """Every how many-th frame of a source is analysed: at most `every_n`, and 1 where the rate is not known.

        A live source is not thinned: it drops by itself what comes too fast. Folders of pictures have no rate that
        could be cut down, so that each of theirs counts.
        """
        if info.is_live or info.fps is None:
            return 1
        return max(min(self.every_n, int(info.fps / _MIN_RATE_FPS)), 1)

    def configured(self, config: EngineConfig) -> EngineConfig:
        """The settings with those of this preset laid over."""
        if self.detect_every_s is None:
            return config
        tracking = dataclasses.replace(config.tracking, detect_every_s=self.detect_every_s)
        return dataclasses.replace(config, tracking=tracking)


BALANCED: Final = Preset(
    "balanced", "Analyses every frame and writes the annotated video; looks for new faces four times a second."
)

#: In the order in which they are offered.
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
    """The preset of this name.

    Raises:
        ConfigError: there is none.
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise ConfigError(f"unknown preset {name}: use {', '.join(each.name for each in PRESETS)}")
