"""Quantile regression solvers."""
