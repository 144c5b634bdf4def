"""The public API of the package: six lines that read a clip, and names that load only when used."""

from __future__ import annotations

import subprocess
import sys
import typing
from pathlib import Path

import pytest

import engine

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.usefixtures("face_models")
def test_six_lines_read_faces_from_a_clip(capsys):
    from engine import Engine, open_source

    with Engine.open() as engine, open_source("demo") as source:
        for frame in source:
            for face in engine.process(frame).faces:
                print(frame.timestamp_s, face.track.track_id, face.decision.route.value, face.decision.labels)  # noqa: T201
                break
            if frame.index == 30:
                break
    lines = capsys.readouterr().out.splitlines()
    time_s, track_id, route, labels = lines[-1].split(maxsplit=3)
    assert (float(time_s), int(track_id)) == (pytest.approx(1.0, abs=0.3), 1)
    assert route in ("accept", "ambiguous", "reject")
    assert labels.startswith("(")


@pytest.mark.parametrize("name", engine.__all__)
def test_every_public_name_is_documented(name):
    value = getattr(engine, name)
    assert value.__module__.startswith("engine.")
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(engine, "Assembly")
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'Router'"):
        engine.Router  # noqa: B018


def test_every_type_in_a_frame_result_is_public():
    seen, queue = set(), [engine.FrameResult]
    while queue:
        record = queue.pop()
        seen.add(record.__name__)
        for hint in typing.get_type_hints(record).values():
            parts = [hint, *typing.get_args(hint)]
            queue += [
                part
                for part in parts
                if getattr(part, "__module__", "") == "engine.types" and part.__name__ not in seen
            ]
    assert seen <= set(engine.__all__)


@pytest.mark.parametrize("module", ["engine", "engine.errors"])
def test_importing_errors_is_quick(module):
    program = (
        f"import sys, {module}; print([name for name in ('numpy', 'cv2', 'av', 'onnxruntime') if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert finished.stdout.strip() == "[]"
