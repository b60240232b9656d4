"""Tables of coefficients: tidy frames and the summary that fits print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import one_of
from statinf.results.table import Table, format_interval, format_number, format_p

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.estimated import Estimated

ALIASED = "NA: aliased, as other columns of the design determine it."
"""What tables say below coefficients that are not estimable."""


_BROOM = {"loglik": "logLik", "aic": "AIC", "bic": "BIC", "df_resid": "df.residual"}


def broom_name(name: str) -> str:
    """What R's broom calls a statistic or a column."""
    return _BROOM.get(name, name.replace("_", "."))


def tidy(fit: Estimated, level: float, style: str, interval: str | None, exponentiate: bool) -> pd.DataFrame:
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
            "p_value": fit._p_values(),
            "conf_low": low,
            "conf_high": high,
        }
    )
    if style == "broom":
        frame.columns = [broom_name(c) for c in frame.columns]
    return frame


def summary(fit: Estimated, level: float) -> Table:
    """Coefficients with the covariance's name, the rows left out and the paper; see `Fit.summary`.

    A coefficient without a standard error has empty cells; one that is aliased is NA throughout, as in R.
    """
    low, high = fit._limits(level, None)
    statistics, p, se = fit.statistics, fit._p_values(), fit._se()
    estimable = fit.estimable
    rows = []
    for i, name in enumerate(fit.terms):
        numbers = [format_number(v) for v in (fit.theta[i], se[i], statistics[i])]
        cells = (*numbers, format_p(p[i]), format_interval(low[i], high[i]))
        rows.append((name, *(cells if estimable[i] else aliased_cells(len(cells)))))
    letter = "z" if np.isinf(fit.cov.df) else "t"
    columns = ("term", "estimate", "std. error", letter, "p", f"{100 * level:g}% interval")
    facts: list[tuple[str, Any]] = [("Formula", fit.formula)]
    facts += [(k, format_number(v)) for k, v in fit.summary_facts().items()]
    notes = notes_of(fit)
    return Table(columns, tuple(rows), title=fit.title, facts=tuple(facts), notes=notes, kind=fit.kind)


def aliased_cells(count: int) -> tuple[str, ...]:
    """Cells of a coefficient that is not estimable, as R prints them."""
    return ("NA",) * count


def notes_of(fit: Estimated) -> tuple[str, ...]:
    """What stands below a table of a fit; last, where there are fewer rows or clusters than intervals held with in simulations."""
    from statinf.results.reach import footer

    return (*aliased_note(fit), *fit._notes(), *footer(fit))


def aliased_note(fit: Estimated) -> tuple[str, ...]:
    """What a table of the fit says of aliased coefficients, if there are any."""
    return () if fit.estimable.all() else (ALIASED,)
