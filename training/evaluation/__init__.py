"""What models are measured by, and the commands that measure them."""
