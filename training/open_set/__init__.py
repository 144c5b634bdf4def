"""The open action-unit set: rendering of faces with known action units."""
