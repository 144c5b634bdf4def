"""Blendshape scores of grey images by Google's mediapipe package, the labeller behind the scores of faces128.

The scores of faces128 are the output of the package's blendshape network on the meshes that faces128 includes (all 52
within 0.01). How those meshes were computed is not known: no framing of the 128x128 images we tried
reproduces them.

The package contacts its vendor unless blocked; see engine/tracking/mediapipe_tasks.py.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from engine.errors import EngineError
from engine.tracking.mediapipe_tasks import CLOSED_PROXY
from engine.types import UInt8

PACKAGE: Final = "mediapipe==1.2.2"
#: Black border as a share of the image's side: without it the detector misses a few faces that fill the image.
_BORDER: Final = 0.25
#: Decimal places, as in the scores of faces128.
_DIGITS: Final = 4

#: The 52 scores 0-1 by name of a grey image (H, W); None where no face is found.
ReadBlendshapes = Callable[[UInt8], Mapping[str, float] | None]


@contextmanager
def open_landmarker(model: Path) -> Iterator[ReadBlendshapes]:
    """The FaceLandmarker of a ``face_landmarker.task`` bundle, as a function of an image.

    Raises:
        EngineError: the package is not installed or cannot run here, or the bundle is missing or broken.
    """
    if not model.is_file():
        raise EngineError(
            f"{model} is missing: pass Google's bundle face_landmarker.task, which the package does not include"
        )
    package = _import_guarded()
    landmarker = _create(model)
    try:
        yield lambda picture: _scores(package, landmarker, picture)
    finally:
        landmarker.close()


def _import_guarded() -> Any:
    os.environ["https_proxy"] = CLOSED_PROXY
    try:
        return importlib.import_module("mediapipe")
    except ModuleNotFoundError as error:
        raise EngineError(
            f"no package {error.name!r}: pip install {PACKAGE} (it includes no model: pass face_landmarker.task)"
        ) from error
    except OSError as error:
        raise EngineError(f"mediapipe cannot load ({error}): install libegl1 and libgles2") from error


def _create(model: Path) -> Any:
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    base = importlib.import_module("mediapipe.tasks.python.core.base_options")
    options = vision.FaceLandmarkerOptions(
        base_options=base.BaseOptions(model_asset_path=str(model)), output_face_blendshapes=True, num_faces=1
    )
    try:
        return vision.FaceLandmarker.create_from_options(options)
    except (OSError, RuntimeError, ValueError) as error:
        raise EngineError(
            f"{model} cannot be opened ({error}): pass Google's bundle face_landmarker.task, with blendshapes"
        ) from error


def _scores(package: Any, landmarker: Any, picture: UInt8) -> Mapping[str, float] | None:
    border = round(_BORDER * picture.shape[0])
    framed = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_CONSTANT)
    colour = np.ascontiguousarray(cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB))
    found = landmarker.detect(package.Image(image_format=package.ImageFormat.SRGB, data=colour))
    if not found.face_blendshapes:
        return None
    return {shape.category_name: round(float(shape.score), _DIGITS) for shape in found.face_blendshapes[0]}
