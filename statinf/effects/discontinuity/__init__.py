"""Regression discontinuity: jumps of a mean, or of its derivatives, at a cutoff."""
