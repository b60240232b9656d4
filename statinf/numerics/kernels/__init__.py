"""Distances, kernel matrices and their low-rank factors."""
