"""Quantile regression of censored outcomes."""
