"""The standing line. A module of its own, because the first page of the window needs it and no drawing."""

from __future__ import annotations

from typing import Final

#: Must be shown wherever labels are.
DISCLAIMER: Final = (
    "Shows what a face looks like to a model trained on labelled pictures. "
    "It does not show what a person feels, means or intends."
)
