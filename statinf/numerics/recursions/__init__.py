"""Recursions over rows in order: averaged approximation, eligibility traces."""
