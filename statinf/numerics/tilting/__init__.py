"""Weights that meet moment conditions, exactly or within bounds."""
