"""Penalised splines: natural cubic bases with their curvature, and least squares with a penalty per block of columns."""
