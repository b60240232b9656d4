"""Choosing new rows whose outcome passes a threshold, with a bound on the share of wrong choices.

The verb is `statinf.conformal_select` (`si.conformal_select`); `scores.select_from_scores` needs scores only.
"""
