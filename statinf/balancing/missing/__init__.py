"""Means of outcomes that are missing at random."""
