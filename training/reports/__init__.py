"""What is written of the measurements: pages, plots, model cards, collected figures."""
