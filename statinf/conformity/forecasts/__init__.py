"""Probabilities that are calibrated along a stream: `si.calibrate_online`."""
