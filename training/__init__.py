"""Building the models: data, networks, losses, trainers, evaluation, export. Needs torch."""
