"""Marginal effects, contrasts of predictions and adjusted predictions of every fit with a mean function."""
