"""The commands of ``mien-train``."""
