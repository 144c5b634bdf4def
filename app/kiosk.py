"""The kiosk mode: its options, and the schedule of retries after a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.capture.opening import is_live_spec
from engine.errors import ConfigError

#: Notice for people in front of the screen; every sentence must hold for cameras and network streams.
CAMERA_NOTICE: Final = (
    "A camera is on here. A program estimates the facial expressions it sees. "
    "Nothing is stored and nothing leaves this device."
)
#: The notice for a file or the demo.
RECORDING_NOTICE: Final = (
    "A recording is shown here. A program estimates the facial expressions in it. "
    "This screen uses no camera and stores nothing."
)
#: A longer notice would leave no space for the video on a small screen.
MAX_NOTICE: Final = 600
#: Range of the hold in seconds: long enough not to happen by accident, short enough to be discovered.
MIN_HOLD_S, MAX_HOLD_S = 1.0, 15.0

#: Seconds without a new frame after which the source counts as stuck.
STUCK_S: Final = 10.0
#: Seconds from a failure to the next attempt.
RETRY_S: Final = 2.0
#: After MAX_TRIES attempts within WINDOW_S seconds, the interval becomes SLOW_S.
MAX_TRIES, WINDOW_S, SLOW_S = 5, 60.0, 60.0
#: Seconds of video after which failures are forgotten.
GOOD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class KioskOptions:
    """Options of the kiosk."""

    source: str = "0"  # as open_source takes it
    notice: str = ""  # the operator's; "" = the default for the source
    labels: bool = False  # whether expressions are shown over the video
    hold_s: float = 3.0  # seconds that Esc or the corner must be held

    def __post_init__(self) -> None:
        """Validate.

        Raises:
            ConfigError: the notice is too long, or ``hold_s`` is out of range.
        """
        if len(self.notice) > MAX_NOTICE:
            raise ConfigError(f"the notice has {len(self.notice)} characters: shorten it to {MAX_NOTICE}")
        if not MIN_HOLD_S <= self.hold_s <= MAX_HOLD_S:
            raise ConfigError(f"hold_s is {self.hold_s:g}: give {MIN_HOLD_S:g} to {MAX_HOLD_S:g} seconds")

    @property
    def is_live(self) -> bool:
        """Whether the source is a camera or a stream, not a file."""
        return is_live_spec(self.source)

    @property
    def notice_shown(self) -> str:
        """The notice to show; the default ones are not translated yet."""
        return self.notice.strip() or (CAMERA_NOTICE if self.is_live else RECORDING_NOTICE)


class RecoveryRule:
    """Retry schedule: frequent at first, then slow, until frames have arrived for a while. Times are of one clock."""

    def __init__(self) -> None:
        self._tries_s: list[float] = []
        self._working_since_s: float | None = None
        self._gave_up = False

    @property
    def gave_up(self) -> bool:
        """Whether frequent retries have failed, so that someone must help."""
        return self._gave_up

    def succeeded(self, now_s: float) -> None:
        """Note a new frame."""
        if self._working_since_s is None:
            self._working_since_s = now_s
        elif now_s - self._working_since_s >= GOOD_S:
            self._tries_s.clear()
            self._gave_up = False

    def failed(self, now_s: float) -> float:
        """Note a failure; return the seconds until the next attempt."""
        self._working_since_s = None
        self._tries_s = [tried_s for tried_s in self._tries_s if now_s - tried_s < WINDOW_S]
        self._gave_up = self._gave_up or len(self._tries_s) >= MAX_TRIES
        if self._gave_up:
            return SLOW_S
        self._tries_s.append(now_s + RETRY_S)
        return RETRY_S
