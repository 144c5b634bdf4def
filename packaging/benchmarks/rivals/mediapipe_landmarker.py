"""MediaPipe's Face Landmarker, the package's own graph in VIDEO mode; with and without blendshapes.

The package reports to its vendor while a task object lives, unless https_proxy points to a closed port.
"""

from __future__ import annotations

import os

os.environ["https_proxy"] = "http://127.0.0.1:9"

from runner import arguments, report, skip


def main() -> None:
    """Time detect_for_video."""
    frames, options = arguments()
    bundle = options.get("weights")
    if not bundle or not os.path.isfile(bundle):  # noqa: PTH113 (as short as it can be)
        skip("the wheel holds no model: give the face_landmarker.task bundle with --task")
    import mediapipe
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    settings = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=bundle),
        running_mode=vision.RunningMode.VIDEO,
        num_faces=max(options["faces"], 1),
        output_face_blendshapes=options["blendshapes"],
    )
    with vision.FaceLandmarker.create_from_options(settings) as landmarker:

        def process(frame: object, index: int) -> int:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)
            return len(landmarker.detect_for_video(image, round(index * 1000 / 30)).face_landmarks)

        report(frames, process, version=mediapipe.__version__)


main()
