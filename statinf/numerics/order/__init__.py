"""Weighted quantiles, monotone vectors, unions of intervals."""
