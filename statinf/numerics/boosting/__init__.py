"""Boosting of all parameters of a law at once."""
