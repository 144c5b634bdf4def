"""The engine: capture, tracking, alignment, estimation, uncertainty, routing. Needs numpy, OpenCV and a backend."""
