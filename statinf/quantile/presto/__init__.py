"""Cumulative logit models shrunk towards proportional odds."""
