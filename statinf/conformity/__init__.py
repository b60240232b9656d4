"""Conformal prediction: sets with finite-sample coverage. The verb is `statinf.conformal` (`si.conformal`).

For arrays: `statinf.conformity.predictions.intervals_from_predictions` needs predictions only, and each method's file
holds its pure functions.
"""
