"""The screen that stands alone in a room: how it is set up, and when it tries again after a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.errors import ConfigError

#: Shown to everybody in front of the screen; every sentence must be true for a camera or an address.
CAMERA_NOTICE: Final = (
    "A camera is on here. A program estimates the facial expressions it sees. "
    "Nothing is stored and nothing leaves this device."
)
#: The same for a file or the demo.
RECORDING_NOTICE: Final = (
    "A recording is shown here. A program estimates the facial expressions in it. "
    "This screen uses no camera and stores nothing."
)
#: A longer notice would not be read, and would leave no room for the picture on a small screen.
MAX_NOTICE: Final = 600
#: Seconds that leaving may ask for: long enough not to happen by chance, short enough to be found out.
MIN_HOLD_S, MAX_HOLD_S = 1.0, 15.0

#: A picture that stays for so many seconds counts as stuck.
STUCK_S: Final = 10.0
#: Seconds from a failure to the next try.
RETRY_S: Final = 2.0
#: After so many tries within WINDOW_S seconds it tries only every SLOW_S.
MAX_TRIES, WINDOW_S, SLOW_S = 5, 60.0, 60.0
#: Seconds of pictures after which all failures are forgotten.
GOOD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class KioskOptions:
    """What is shown, and how it is left."""

    source: str = "0"  # what open_source takes
    notice: str = ""  # of whoever runs the screen; "" = the one that fits the source
    labels: bool = False  # whether expressions are named over the picture
    hold_s: float = 3.0  # seconds that Esc or the corner must be held

    def __post_init__(self) -> None:
        """Check what was given.

        Raises:
            ConfigError: the notice is too long, or the time out of range.
        """
        if len(self.notice) > MAX_NOTICE:
            raise ConfigError(f"the notice has {len(self.notice)} letters: {MAX_NOTICE} are the most that fit")
        if not MIN_HOLD_S <= self.hold_s <= MAX_HOLD_S:
            raise ConfigError(f"hold_s is {self.hold_s:g}: give {MIN_HOLD_S:g} to {MAX_HOLD_S:g} seconds")

    @property
    def is_live(self) -> bool:
        """Whether the source is a camera or an address, not a file."""
        return self.source.isdecimal() or self.source.startswith("/dev/") or "://" in self.source

    @property
    def notice_shown(self) -> str:
        """The notice; the program's own ones are still to be translated."""
        return self.notice.strip() or (CAMERA_NOTICE if self.is_live else RECORDING_NOTICE)


class RecoveryRule:
    """When to try again: soon at first, then seldom, until pictures came for a while. Times are of one clock."""

    def __init__(self) -> None:
        self._tries_s: list[float] = []
        self._good_since_s: float | None = None
        self._gave_up = False

    @property
    def gave_up(self) -> bool:
        """Whether trying soon was of no use, so that somebody has to look."""
        return self._gave_up

    def good(self, now_s: float) -> None:
        """A new picture came."""
        if self._good_since_s is None:
            self._good_since_s = now_s
        elif now_s - self._good_since_s >= GOOD_S:
            self._tries_s.clear()
            self._gave_up = False

    def failed(self, now_s: float) -> float:
        """Note a failure; the seconds until the next try."""
        self._good_since_s = None
        self._tries_s = [tried_s for tried_s in self._tries_s if now_s - tried_s < WINDOW_S]
        self._gave_up = self._gave_up or len(self._tries_s) >= MAX_TRIES
        if self._gave_up:
            return SLOW_S
        self._tries_s.append(now_s + RETRY_S)
        return RETRY_S
