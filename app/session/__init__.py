"""What one session writes to disk: folder, rows, journal, metadata, table, video."""
