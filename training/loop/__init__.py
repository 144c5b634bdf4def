"""The training loop: trainer, checkpoints, logs, several processes."""
