"""Draw docs/images/architecture.svg: the packages, and the path of a session, a frame and a training step.

.venv/bin/python packaging/architecture_picture.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "images" / "architecture.svg"
WIDTH: Final = 1240
_LEFT: Final = 24
_BAND: Final = WIDTH - 2 * _LEFT
_BOX_TOP: Final = 62  # of the boxes, below the top of their band
_BOX_HEIGHT: Final = 66
_INK, _MUTED = "#1d2733", "#55606e"


class Band(NamedTuple):
    """One package and the path through it."""

    back: str  # colours
    line: str
    top: int
    heading: str
    note: str
    boxes: tuple[tuple[str, str], ...]  # title, line below


_BAND_HEIGHT: Final = 152
BANDS: Final = (
    Band(
        "#e8f0fb",
        "#3d6fb4",
        24,
        "app - a session",
        "app/annotate.py, app/session/, app/live/, app/review/; Qt in app/qt/ only",
        (
            ("source", "file, camera, stream"),
            ("Runtime", "the threads"),
            ("journal", "a line per frame"),
            ("table", "CSV and Parquet"),
            ("video", "with overlay"),
            ("metadata", "written last"),
            ("review", "labels, export"),
        ),
    ),
    Band(
        "#e9f5ec",
        "#3b8a55",
        250,
        "engine - a frame",
        "Pipeline.process in engine/pipeline.py; records in engine/types.py; never torch or Qt",
        (
            ("capture", "Frame"),
            ("tracking", "FaceTrack"),
            ("alignment", "AlignedFace"),
            ("expression", "ExpressionEstimate"),
            ("action units", "AUEstimate"),
            ("uncertainty", "Uncertainty"),
            ("routing", "Decision"),
        ),
    ),
    Band(
        "#fbf1e4",
        "#b3742a",
        476,
        "training - a step",
        "training/loop/trainer.py; methods in training/expression/, action_units/, rlps/",
        (
            ("data", "faces and labels"),
            ("augment", "on whole batches"),
            ("model", "forward"),
            ("loss", "of the method"),
            ("step", "AdamW, averaging"),
            ("evaluate", "validation, save"),
            ("export", "parity, calibration"),
        ),
    ),
)


def _text(x: float, y: float, words: str, size: int, colour: str = _INK, style: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{style}>'
        f"{escape(words)}</text>"
    )


def _arrow(*points: tuple[float, float], dashed: bool = False) -> str:
    """A line with a head at its last point; heads are drawn, because not every viewer turns SVG markers."""
    (x0, y0), (x1, y1) = points[-2:]
    across, down = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    back = (x1 - 9 * across, y1 - 9 * down)
    head = ((x1, y1), (back[0] + 4.5 * down, back[1] + 4.5 * across), (back[0] - 4.5 * down, back[1] - 4.5 * across))
    dashes = ' stroke-dasharray="6 4"' if dashed else ""
    line = _points((*points[:-1], back))
    return (
        f'<polyline points="{line}" fill="none" stroke="{_MUTED}" stroke-width="2"{dashes}/>'
        f'<polygon points="{_points(head)}" fill="{_MUTED}"/>'
    )


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _band(band: Band) -> list[str]:
    parts = [
        f'<rect x="{_LEFT}" y="{band.top}" width="{_BAND}" height="{_BAND_HEIGHT}" rx="10" fill="{band.back}"/>',
        _text(_LEFT + 18, band.top + 34, band.heading, 21, band.line, ' font-weight="bold"'),
        _text(WIDTH - _LEFT - 18, band.top + 33, band.note, 15, _MUTED, anchor="end"),
    ]
    gap = 22
    width = (_BAND - 36 - gap * (len(band.boxes) - 1)) / len(band.boxes)
    y = band.top + _BOX_TOP
    for number, (title, below) in enumerate(band.boxes):
        x = _LEFT + 18 + number * (width + gap)
        parts.append(
            f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{_BOX_HEIGHT}" rx="6"'
            f' fill="#ffffff" stroke="{band.line}" stroke-width="1.5"/>'
        )
        parts.append(_text(x + width / 2, y + 29, title, 17, anchor="middle", style=' font-weight="bold"'))
        parts.append(_text(x + width / 2, y + 51, below, 13, _MUTED, anchor="middle"))
        if number:
            parts.append(_arrow((x - gap + 1, y + _BOX_HEIGHT / 2), (x - 2, y + _BOX_HEIGHT / 2)))
    return parts


def main() -> None:
    """Write the file."""
    height = 652
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="DejaVu Sans, Verdana, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for band in BANDS:
        parts += _band(band)
    parts += [
        _arrow((290, 178), (290, 248)),
        _text(302, 218, "Frame", 15, _MUTED),
        _arrow((1120, 250), (1120, 214), (400, 214), (400, 178)),
        _text(760, 206, "FrameResult: faces, decisions, milliseconds per stage", 15, _MUTED, anchor="middle"),
        _arrow((1120, 476), (1120, 440), (690, 440), (690, 404)),
        _text(905, 432, "model.onnx with contract", 15, _MUTED, anchor="middle"),
        _arrow((70, 178), (70, 248), dashed=True),
        _text(82, 218, "imports", 15, _MUTED),
        _arrow((70, 476), (70, 404), dashed=True),
        _text(82, 448, "imports", 15, _MUTED),
        "</svg>",
    ]
    TARGET.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
