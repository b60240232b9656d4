"""Difference in means (Neyman 1923).

The average effect of a randomised treatment; ATE and ATT are the same number. With HC2, the default, the
standard error is Neyman's and the degrees of freedom are Welch's.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.estimate import Estimate
from statinf.effects.options import Options
from statinf.effects.regression import ESTIMANDS, fit_blocks
from statinf.effects.rows import EffectRows
from statinf.errors import one_of

CITATION = "difference in means with Neyman's standard error (Neyman 1923)"


def estimate(rows: EffectRows, options: Options) -> Estimate:
    """Difference of the weighted means of the two arms, by group."""
    one_of("estimand", options.estimand, ESTIMANDS)
    return fit_blocks(rows, np.empty((len(rows.y), 0)), options)


def welch_df(y: np.ndarray, treated: np.ndarray) -> float:
    """Welch's degrees of freedom of a difference in means; NaN where an arm has one row or nothing varies."""
    y = (y - y.mean()) / (np.abs(y - y.mean()).max() or 1.0)
    sizes = [int(treated.sum()), int((~treated).sum())]
    if min(sizes) < 2:
        return np.nan
    a, b = (float(np.var(y[arm], ddof=1)) / size for arm, size in zip((treated, ~treated), sizes, strict=True))
    return (a + b) ** 2 / (a**2 / (sizes[0] - 1) + b**2 / (sizes[1] - 1)) if a + b > 0 else np.nan
