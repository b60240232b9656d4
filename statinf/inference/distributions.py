"""Reference distributions through scipy.special, whose import costs a tenth of scipy.stats."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t; of the normal for infinite degrees of freedom."""
    return float(special.ndtri(p)) if np.isinf(df) else float(special.stdtrit(df, p))


def two_sided_p(statistic: Any, df: float) -> Any:
    """P(|T| > |statistic|) under t with `df` degrees of freedom, or the normal."""
    s = -np.abs(statistic)
    return 2.0 * (special.ndtr(s) if np.isinf(df) else special.stdtr(df, s))


def f_sf(statistic: float, df1: float, df2: float) -> float:
    """P(F > statistic)."""
    return float(special.fdtrc(df1, df2, statistic))


def chi2_sf(statistic: float, df: float) -> float:
    """P(chi-square > statistic)."""
    return float(special.chdtrc(df, statistic))
