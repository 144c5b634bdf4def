"""Uncertainty scores and their calibration."""
