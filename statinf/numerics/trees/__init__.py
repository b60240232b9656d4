"""Regression trees on binned features: bins, growth of several trees on the same rows, and their leaves in new rows."""
