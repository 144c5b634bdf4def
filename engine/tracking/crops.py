"""Images that show one face each, cropped to it, as data sets hold them: the mesh is placed without a detector."""

from __future__ import annotations

from typing import Final

from engine.config import TrackingConfig
from engine.tracking.association import shape_of
from engine.tracking.mesh import FaceMesh, FaceRoi, is_plausible, roi_from_mesh
from engine.tracking.pose import head_pose
from engine.types import FaceTrack, Float32, Frame, TrackState, UInt8

#: Sides of the square in which the face is sought, as shares of the image's longer side; beyond the image its edges are
#: repeated. Crops leave more or less room around the face, and the mesh network expects half of its size.
_SCALES: Final = (1.25, 1.0, 1.6, 0.8)
#: A presence that needs no further attempt.
_SURE_PRESENCE: Final = 0.95


class CropTracker:
    """The tracker for such images; at most one face in each. Its state is empty."""

    def __init__(self, config: TrackingConfig) -> None:
        """Load the mesh network.

        Raises:
            FaceModelError: it is not on this machine.
        """
        self._min_presence = config.min_presence
        self._mesh = FaceMesh(config.threads)

    def track(self, frame: Frame) -> tuple[FaceTrack, ...]:
        """The face of the image; none if the mesh network finds none in any of the squares."""
        mesh, presence = self._locate(frame.image)
        if mesh is None or presence < self._min_presence:
            return ()
        return (FaceTrack(1, TrackState.CONFIRMED, shape_of(mesh).box, mesh, head_pose(mesh), presence, 0.0),)

    @property
    def cut(self) -> bool:
        """False: the images are not shots."""
        return False

    @property
    def left_out(self) -> int:
        """0: there is one face."""
        return 0

    def snapshot(self) -> str:
        """Empty: nothing goes from image to image."""
        return "{}"

    def restore(self, text: str) -> None:
        """Do nothing; see `snapshot`."""

    def close(self) -> None:
        """Do nothing; the network goes with the object."""

    def _locate(self, image: UInt8) -> tuple[Float32 | None, float]:
        """The surest mesh (468, 3) and its presence, each from a second look at the square of the first mesh."""
        best: Float32 | None = None
        best_presence = 0.0
        height, width = image.shape[:2]
        for scale in _SCALES:
            roi = FaceRoi(width / 2, height / 2, scale * max(width, height), 0.0)
            first, _ = self._mesh.locate(image, roi)
            own = roi_from_mesh(first)
            if not is_plausible(first, own, roi, image):
                continue
            mesh, presence = self._mesh.locate(image, own)
            if presence > best_presence and is_plausible(mesh, roi_from_mesh(mesh), own, image):
                best, best_presence = mesh, presence
            if best_presence >= _SURE_PRESENCE:
                break
        return best, best_presence
