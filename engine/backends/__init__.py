"""Running model files: contracts and inference backends."""
