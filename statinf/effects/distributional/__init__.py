"""Discontinuities of outcomes that are distributions."""
