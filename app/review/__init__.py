"""Review of a session, without any window: its rows, its pictures, what people note, how far they agree."""
