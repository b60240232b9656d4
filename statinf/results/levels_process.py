"""Coefficients of a `LevelsFit` across levels: equal slopes, the process with its bands, fitted lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.bands import sup_t_critical
from statinf.inference.hypotheses import WaldTest, wald

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.levels_fit import LevelLinesFit, LevelsFit


def equal_slopes(fit: LevelsFit, columns: Any) -> WaldTest:
    """See `LevelsFit.equal_slopes`."""
    names = [c for c, ok in zip(fit.columns, fit.estimable, strict=False) if ok]
    wanted = (
        [c for c in names if c != "Intercept"]
        if columns is None
        else [columns]
        if isinstance(columns, str)
        else list(columns)
    )
    unknown = [c for c in wanted if c not in names]
    if unknown or not wanted or len(fit.tau) < 2:
        raise OptionError(f"equal slopes need at least two levels and regressors among {names}; got {columns!r}.")
    p, k = len(names), len(fit.tau)
    restrictions = np.zeros((len(wanted) * (k - 1), p * k))
    for i, name in enumerate(wanted):
        for step in range(k - 1):
            row = restrictions[i * (k - 1) + step]
            row[step * p + names.index(name)], row[(step + 1) * p + names.index(name)] = -1.0, 1.0
    text = "equal slopes at tau = " + ", ".join(f"{t:g}" for t in fit.tau)
    m = len(restrictions)
    # Only where rows are independent do k regressions of n rows count as n k of them.
    df = float(fit.nobs * k - m) if fit.cov.df == fit.df_resid else fit.cov.df
    return wald(fit.theta[fit.estimable], fit.cov, restrictions, np.zeros(m), df, text).handed(fit.kind)


def process(fit: LevelsFit, level: float, uniform: bool, seed: int) -> pd.DataFrame:
    """Coefficients by level with limits, in pandas; see `LevelsFit.process`."""
    import pandas as pd

    low, high = fit._limits(level, None)
    k, p = len(fit.tau), len(fit.columns)
    columns = {
        "tau": np.repeat(fit.tau, p),
        "term": list(fit.columns) * k,
        "estimate": fit.theta,
        "conf_low": low,
        "conf_high": high,
    }
    if uniform:
        critical = np.full(p, np.nan)
        position = np.cumsum(fit.estimable) - 1
        for j in range(p):
            if fit.estimable[j]:
                own = position[np.arange(k) * p + j]
                critical[j] = sup_t_critical(fit.cov.matrix[np.ix_(own, own)], level, df=fit.cov.df, seed=seed)
        half = np.tile(critical, k) * fit._se()
        columns |= {"band_low": fit.theta - half, "band_high": fit.theta + half}
    return pd.DataFrame(columns)


def line_data(fit: LevelLinesFit) -> tuple[np.ndarray, np.ndarray, np.ndarray, str, str]:
    """Regressor, outcome and fitted lines on a grid, for fits with one numerical regressor."""
    made = fit._need_rows("the plot of lines")
    slopes = [c for c in fit.columns if c != "Intercept"]
    if len(slopes) != 1 or slopes[0] not in made.recipe.columns:
        raise OptionError("kind='lines' draws fits with one numerical regressor; use kind='process' or 'coefficients'.")
    x = made.column(slopes[0])
    ends = np.array([x.min(), x.max()])
    intercept = fit.coef[:, fit.columns.index("Intercept")] if "Intercept" in fit.columns else 0.0
    lines = np.atleast_1d(intercept)[:, None] + fit.coef[:, [fit.columns.index(slopes[0])]] * ends
    return x, made.y, np.vstack([ends, lines]), slopes[0], made.response_names[0]
