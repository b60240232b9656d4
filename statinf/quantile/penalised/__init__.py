"""Quantile regressions with penalised coefficients."""
