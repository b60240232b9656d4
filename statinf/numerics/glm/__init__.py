"""Generalised linear models: families, iterated least squares, separation."""
