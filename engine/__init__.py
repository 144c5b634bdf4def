"""The engine: capture, tracking, alignment, estimation, uncertainty, routing. Needs numpy, OpenCV and a backend."""

from engine.telemetry import disable_telemetry

disable_telemetry()
