"""One-off research behind docs/: comparisons of methods, ablations, seeds, label noise. Nothing here ships."""
