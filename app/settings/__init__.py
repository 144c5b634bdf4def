"""Preferences, presets and limits that a user may change."""
