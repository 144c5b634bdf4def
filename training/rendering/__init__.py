"""Rendered faces with known action units: fit a morphable face to a photograph, move it, draw it back."""
