"""Convex functions of a linear predictor summed over rows."""
