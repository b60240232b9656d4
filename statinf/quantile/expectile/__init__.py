"""Expectile regression."""
