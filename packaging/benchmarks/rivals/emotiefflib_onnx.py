"""EmotiEffLib: its ONNX recogniser alone, on the face boxes that Mien found, for it has no detector."""

from __future__ import annotations

import importlib.metadata
import urllib.error

from runner import arguments, report, skip


def main() -> None:
    """Time predict_emotions on every face."""
    frames, options = arguments()
    from emotiefflib.facial_analysis import EmotiEffLibRecognizer

    try:
        recognizer = EmotiEffLibRecognizer(engine="onnx", model_name="enet_b0_8_best_vgaf")
    except (OSError, urllib.error.URLError) as error:
        skip(f"its weights cannot be fetched from its repository: {error}")

    def process(frame: object, index: int) -> int:
        boxes = options["boxes"][index]
        for left, top, right, bottom in boxes:
            recognizer.predict_emotions(frame[max(top, 0) : bottom, max(left, 0) : right], logits=True)
        return len(boxes)

    report(frames, process, version=importlib.metadata.version("emotiefflib"))


main()
