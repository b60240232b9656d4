"""Directions, half-planes and clouds of points."""
