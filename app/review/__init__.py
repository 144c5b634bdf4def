"""Review of a session, without Qt: its rows, frames, notes, agreement and exports."""
