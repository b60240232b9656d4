"""Difference-in-differences: group-time effects of a treatment that starts at different times."""
