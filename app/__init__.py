"""The program: command line, annotation, overlay, window."""
