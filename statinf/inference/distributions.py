"""Reference distributions through scipy.special, whose import costs a tenth of scipy.stats."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def t_quantile(p: float, df: Any) -> Any:
    """Quantile of Student's t; of the normal for infinite degrees of freedom. One for each, of an array of these."""
    if np.ndim(df):
        return np.where(np.isinf(df), special.ndtri(p), special.stdtrit(df, p))
    return float(special.ndtri(p)) if np.isinf(df) else float(special.stdtrit(df, p))


def prediction_half_width(std_error: Any, df: Any, sigma: float, df_resid: float, level: float) -> Any:
    """Half the width of a prediction interval: the mean's error and the residual, each with its own degrees of freedom.

    The sum of the two variances has about Satterthwaite's degrees of freedom, at most those of the residual.
    With one number of degrees of freedom for both it is the classical interval; after clustering, the few
    degrees of freedom of the clusters count for the mean's share only.
    """
    mean, residual = np.square(std_error), sigma**2
    with np.errstate(divide="ignore", invalid="ignore"):
        joint = (mean + residual) ** 2 / (mean**2 / df + residual**2 / df_resid)
    joint = np.minimum(joint, df_resid)
    quantile = np.where(np.isinf(joint), special.ndtri(0.5 + level / 2.0), special.stdtrit(joint, 0.5 + level / 2.0))
    return quantile * np.sqrt(mean + residual)


def two_sided_p(statistic: Any, df: Any) -> Any:
    """P(|T| > |statistic|) under t with `df` degrees of freedom, one number or an array, or the normal."""
    s = -np.abs(statistic)
    if np.ndim(df):
        return 2.0 * np.where(np.isinf(df), special.ndtr(s), special.stdtr(df, s))
    return 2.0 * (special.ndtr(s) if np.isinf(df) else special.stdtr(df, s))


def f_sf(statistic: float, df1: float, df2: float) -> float:
    """P(F > statistic)."""
    return float(special.fdtrc(df1, df2, statistic))


def chi2_sf(statistic: float, df: float) -> float:
    """P(chi-square > statistic)."""
    return float(special.chdtrc(df, statistic))
