"""Likelihoods of outcomes that are ordered categories, or numbers seen between limits."""
