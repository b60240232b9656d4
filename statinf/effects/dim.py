"""Difference in means (Neyman 1923).

The average effect of a randomised treatment; ATE and ATT are the same number. With HC2, the default, the
standard error is Neyman's and the degrees of freedom are Welch's, of each difference its own.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.method import EffectMethod
from statinf.effects.problem import EffectProblem
from statinf.effects.regression import fit_blocks
from statinf.effects.regression_effect import RegressionEffect
from statinf.results import Estimate
from statinf.results.options import Options


def estimate(problem: EffectProblem, options: Options) -> Estimate:
    """Difference of the weighted means of the two arms, by group."""
    rows = problem.rows
    welch = np.array([welch_df(rows.y[group], rows.treated[group]) for _, group in rows.groups])
    return fit_blocks(problem, np.empty((len(rows.y), 0)), hc2_df=welch if bool((rows.w == 1.0).all()) else None)


def means(problem: EffectProblem, options: Options) -> Estimate:
    """Weighted means of all arms, by group; differences between them get Satterthwaite's degrees of freedom."""
    rows = problem.rows
    assert rows.arms is not None
    codes, count = rows.arm_codes(), len(rows.arms.levels)
    sizes = np.concatenate([np.bincount(codes[group], minlength=count) for _, group in rows.groups])
    own = sizes - 1.0 if bool((rows.w == 1.0).all()) else None
    return fit_blocks(problem, np.empty((len(rows.y), 0)), means=True, hc2_df=own)


def welch_df(y: np.ndarray, treated: np.ndarray) -> float:
    """Welch's degrees of freedom of a difference in means; NaN where an arm has one row or nothing varies."""
    y = (y - y.mean()) / (np.abs(y - y.mean()).max() or 1.0)
    sizes = [int(treated.sum()), int((~treated).sum())]
    if min(sizes) < 2:
        return np.nan
    a, b = (float(np.var(y[arm], ddof=1)) / size for arm, size in zip((treated, ~treated), sizes, strict=True))
    return (a + b) ** 2 / (a**2 / (sizes[0] - 1) + b**2 / (sizes[1] - 1)) if a + b > 0 else np.nan


METHOD = EffectMethod(
    verb="effect",
    name="dim",
    estimate=estimate,
    means=means,
    fit=RegressionEffect,
    covariates="none",
    summary="difference in means with Neyman's standard error",
    citation="Neyman (1923)",
    guarantee="unbiased under randomisation; Neyman standard errors",
    vignette="effects",
)
