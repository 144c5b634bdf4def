"""Speed, latency, memory and energy of this machine: ``mien bench``."""
