"""A live run without its window."""
