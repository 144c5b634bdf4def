"""Annotating many sources with several workers: processes of this machine, or actors of a Ray cluster."""
