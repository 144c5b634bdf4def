"""The review page: one session with its timeline and notes."""
