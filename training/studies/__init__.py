"""One-off research: rivals, ablations, seeds, robustness to label noise."""
