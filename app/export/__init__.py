"""Results of a session in the formats of other tools: one table of formats, one writer per format."""
