"""Mien itself: its tracker alone, or tracking to routing. Run with the Python that has Mien."""

from __future__ import annotations

from runner import arguments, report

from engine.config import EngineConfig
from engine.engine import Engine
from engine.tracking.tracker import FaceTracker
from engine.types import Frame


def main() -> None:
    """Time the tracker or the engine."""
    frames, options = arguments()
    boxes: list[list[list[int]]] = []
    config = EngineConfig()
    with Engine.open(config) as engine:  # also for the tracker alone, so that both have the same settings
        tracker = FaceTracker(config.tracking)

        def track(image: object, index: int) -> int:
            return len(tracker.track(Frame(image, index, index / 30, "compare")))

        def process(image: object, index: int) -> int:
            faces = engine.process(Frame(image, index, index / 30, "compare")).faces
            boxes.append([[round(float(edge)) for edge in face.track.box] for face in faces])
            return len(faces)

        if options["what"] == "tracker":
            report(frames, track, version="this checkout")
        else:
            report(frames, process, version="this checkout", boxes=boxes)
        tracker.close()


main()
