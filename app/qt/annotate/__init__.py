"""The annotate page."""
