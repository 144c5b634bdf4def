"""Data sets in their publishers' layouts."""
