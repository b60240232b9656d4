"""Simulated coverage of every interval, one study a design: `python -m benchmarks.certify`."""
