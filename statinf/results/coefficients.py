"""Tables of coefficients: tidy frames and the summary that fits print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import one_of
from statinf.results.table import Table, format_number, format_p

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.fit import Fit


def tidy(fit: Fit, level: float, style: str, interval: str | None, exponentiate: bool) -> pd.DataFrame:
    """One row per coefficient; see `Fit.tidy`."""
    import pandas as pd

    one_of("style", style, ("statinf", "broom"))
    low, high = fit._limits(level, interval)
    estimate, se = fit.theta, fit._se()
    if exponentiate:
        estimate, low, high = np.exp(estimate), np.exp(low), np.exp(high)
        se = se * estimate
    frame = pd.DataFrame(
        {
            "term": list(fit.terms),
            "estimate": estimate,
            "std_error": se,
            "statistic": fit.statistics,
            "p_value": fit.pvalues.to_numpy(),
            "conf_low": low,
            "conf_high": high,
        }
    )
    if style == "broom":
        frame.columns = [c.replace("_", ".") for c in frame.columns]
    return frame


def summary(fit: Fit, level: float) -> Table:
    """Coefficients with the covariance's name, the rows left out and the paper; see `Fit.summary`."""
    low, high = fit._limits(level, None)
    statistics, p, se = fit.statistics, fit.pvalues.to_numpy(), fit._se()
    rows = []
    for i, name in enumerate(fit.terms):
        if fit.estimable[i]:
            numbers = [format_number(v) for v in (fit.theta[i], se[i], statistics[i])]
            rows.append((name, *numbers, format_p(p[i]), f"[{format_number(low[i])}, {format_number(high[i])}]"))
        else:
            rows.append((name, "aliased", "", "", format_p(p[i]), ""))
    letter = "z" if np.isinf(fit.cov.df) else "t"
    columns = ("term", "estimate", "std. error", letter, "p", f"{100 * level:g}% interval")
    facts: list[tuple[str, Any]] = [("Formula", fit.formula)]
    facts += [(k, format_number(v)) for k, v in fit.summary_facts().items()]
    return Table(columns, tuple(rows), title=fit.title, facts=tuple(facts), notes=fit._notes())
