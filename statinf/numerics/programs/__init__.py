"""Quadratic programmes over simplices and bands."""
