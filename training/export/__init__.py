"""From trained weights to model files with contracts."""
