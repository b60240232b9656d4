"""Predictions right on average on every level set and in every group. The verb is `statinf.multicalibrate`."""
