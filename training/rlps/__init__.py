"""RLPS: reinforcement learning that chooses which training images to keep."""
