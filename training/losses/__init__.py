"""Losses, one file per paper."""
