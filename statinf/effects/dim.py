"""Difference in means (Neyman 1923).

The average effect of a randomised treatment; ATE and ATT are the same number. With HC2, the default, the
standard error is Neyman's and the degrees of freedom are Welch's.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.estimate import Estimate
from statinf.effects.options import Options
from statinf.effects.regression import fit_blocks
from statinf.effects.rows import EffectRows

CITATION = "difference in means with Neyman's standard error (Neyman 1923)"


def estimate(rows: EffectRows, options: Options) -> Estimate:
    """Difference of the weighted means of the two arms, by group."""
    return fit_blocks(rows, np.empty((len(rows.y), 0)), options)


def welch_df(y: np.ndarray, treated: np.ndarray) -> float:
    """Welch's degrees of freedom of a difference in means."""
    parts = []
    for arm in (treated, ~treated):
        size = int(arm.sum())
        parts.append((float(np.var(y[arm], ddof=1)) / size if size > 1 else np.nan, size))
    (a, n), (b, m) = parts
    return float((a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1)))
