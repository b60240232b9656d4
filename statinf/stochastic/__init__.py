"""Averaged stochastic approximation over streams, with intervals that update as rows arrive."""
