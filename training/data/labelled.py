"""The record that every reader of expression data gives, whatever the publisher's layout."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.facs import EXPRESSIONS
from engine.types import Float32, Int64, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Faces of one split in the canonical view, with what people said of them."""

    crops: UInt8  # (N, S, S) grey
    landmarks: Float32  # (N, 468, 2) 0-1 of the crop
    targets: Float32  # (N, 8) shares over EXPRESSIONS; one-hot where the publisher gives one label
    labels: Int64  # (N,) index into EXPRESSIONS; -1 where votes name no clear class
    presence: Float32  # (N,) of the mesh network; below MIN_PRESENCE the picture's own framing was used
    names: npt.NDArray[np.str_]  # (N,) of the pictures, in the publisher's words
    unreadable: tuple[str, ...] = ()  # names of the pictures that are missing or broken, and so left out

    def __post_init__(self) -> None:
        """Check that all fields speak of the same faces.

        Raises:
            ValueError: their lengths differ.
        """
        lengths = {name: len(getattr(self, name)) for name in self.__slots__ if name != "unreadable"}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"LabelledFaces needs fields of one length, not {lengths}")

    def where(self, mask: npt.NDArray[np.bool_]) -> LabelledFaces:
        """The faces for which ``mask`` (N,) is true."""
        rows = ("crops", "landmarks", "targets", "labels", "presence", "names")
        return replace(self, **{name: getattr(self, name)[mask] for name in rows})

    def summary(self) -> str:
        """One line for people: faces per class, and what was left out."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(EXPRESSIONS))
        classes = ", ".join(f"{name} {count}" for name, count in zip(EXPRESSIONS, counts, strict=True) if count)
        line = f"{len(self.names)} faces ({classes})"
        if self.unreadable:
            line += f"; {len(self.unreadable)} pictures cannot be read and are left out, first {self.unreadable[0]}"
        return line
