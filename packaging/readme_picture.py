"""Make docs/images/annotated.webp from four frames of the annotated demo.

.venv/bin/python packaging/readme_picture.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
#: Times in the demo, in seconds: one face, too dark, cut off, two faces.
MOMENTS_S = (1.6, 4.3, 5.5, 7.72)


def main() -> None:
    """Annotate the demo and arrange four frames in a square."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "app", "annotate", "demo", "--out", folder], cwd=ROOT, check=True)
        with av.open(str(Path(folder) / "demo" / "annotated.mp4")) as video:
            frames = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in video.decode(video=0)]
    chosen = [min(frames, key=lambda timed: abs(timed[0] - moment))[1] for moment in MOMENTS_S]
    sheet = np.vstack([np.hstack(chosen[:2]), np.hstack(chosen[2:])])
    target = ROOT / "docs" / "images" / "annotated.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), sheet, [cv2.IMWRITE_WEBP_QUALITY, 78])


if __name__ == "__main__":
    main()
