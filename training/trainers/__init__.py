"""The training loop and what differs between models."""
