"""What the estimators share: crops into picture tensors, and logits out of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from engine.alignment import view
from engine.backends.contract import CropSpec, ModelContract
from engine.errors import ModelError
from engine.types import AlignedFace, Float32

_LEVELS: Final = np.arange(256, dtype=np.float32)


class ImageInput:
    """Turns crops into the tensor that a network reads: (view(crop, side) / 255 - mean) / std."""

    def __init__(self, crop: CropSpec) -> None:
        self._side_px = crop.side_px
        # 256 grey levels have 256 results: looking them up is faster than computing every pixel.
        self._table = (_LEVELS / np.float32(255) - np.float32(crop.mean)) / np.float32(crop.std)

    def batch(self, faces: Sequence[AlignedFace]) -> Float32:
        """Pictures (N, 1, S, S) float32 of N faces."""
        pictures = np.empty((len(faces), 1, self._side_px, self._side_px), np.float32)
        for picture, face in zip(pictures, faces, strict=True):
            np.take(self._table, view(face.crop, self._side_px), out=picture[0], mode="clip")
        return pictures


def read_logits(outputs: Mapping[str, Float32], contract: ModelContract) -> Float32:
    """The output ``logits`` of a network.

    Raises:
        ModelError: a value is not finite; probabilities made of it would pass every threshold or none.
    """
    logits = outputs["logits"]
    if not np.isfinite(logits).all():
        raise ModelError(
            f"{contract.name!r} gave logits that are not finite: restore the model, or use another backend"
        )
    return logits
