"""Metrics and their bootstrap intervals.

A point value comes from scikit-learn or SciPy where they have it; the bootstrapped form of a figure is our own, because
calling a library once per resample takes about twenty times as long.
"""
