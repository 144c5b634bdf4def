"""Messages between a source and the process that decodes for it.

They are JSON but for the two most frequent: a request for a picture (READ and the number of its slot), and its answer
(FRAME and FRAME_FIELDS). Nothing is unpickled on either side.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from engine.capture.source import StreamChoice

#: First bytes of messages.
READ: Final = b"R"
FRAME: Final = b"F"
JSON: Final = b"J"
#: Index, seconds since the first frame, presentation time in seconds (NaN = none).
FRAME_FIELDS: Final = struct.Struct("<qdd")
#: Seconds between two signs of life while no picture comes.
ALIVE_S: Final = 1.0
#: Megabytes of frames that both processes share at most: two of the largest pictures that any setting allows.
SHARED_MB: Final = 512


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container tells of its video."""

    width_px: int  # as shown: after rotation
    height_px: int
    frame_count: int | None
    duration_s: float | None
    fps: float | None
    stream: StreamChoice
