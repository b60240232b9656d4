"""Regions that hold several outcomes at once."""
