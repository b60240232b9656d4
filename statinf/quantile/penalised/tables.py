"""Tables of penalised quantile regressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.results import Table, format_number

if TYPE_CHECKING:
    import pandas as pd

    from statinf.quantile.penalised.result import QuantilePath


def path_frame(fit: QuantilePath) -> pd.DataFrame:
    """One row per level and penalty."""
    import pandas as pd

    found, count = fit.found, len(fit.found.penalties)
    free = np.array([c != "Intercept" for c in fit.columns])
    frames = []
    for k, t in enumerate(fit.tau):
        scored = None if found.validation is None else found.validation[k]
        frames.append(
            pd.DataFrame(
                {
                    "tau": t,
                    "penalty": found.penalties,
                    "selected": np.count_nonzero(found.coef[:, k, free], axis=1),
                    "loss": found.loss[:, k],
                    "score": np.full(count, np.nan) if scored is None else scored.mean,
                    "std_error": np.full(count, np.nan) if scored is None else scored.error,
                    "chosen": np.arange(count) == found.chosen[k],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def tidy_frame(fit: QuantilePath) -> pd.DataFrame:
    """One row per level and column."""
    import pandas as pd

    return pd.DataFrame(
        {"tau": np.repeat(fit.tau, len(fit.columns)), "term": list(fit.columns) * len(fit.tau), "estimate": fit.theta}
    )


def summary_table(fit: QuantilePath) -> Table:
    """Coefficients by level, columns that no level uses left out."""
    coef = fit.coef
    shown = np.flatnonzero((coef != 0).any(axis=0))
    rows = [(fit.columns[j], *("." if b == 0 else format_number(b) for b in coef[:, j])) for j in shown]
    facts = [("Formula", fit.formula), ("Observations", str(fit.nobs))]
    used = fit.found.penalties[fit.found.chosen]
    counts = fit._counts()
    for k, t in enumerate(fit.tau):
        name = "" if len(fit.tau) == 1 else f", tau = {t:g}"
        total = len(fit.columns) - int("Intercept" in fit.columns)
        facts.append((f"Penalty{name}", f"{format_number(float(used[k]))}, {counts[k]} of {total} columns"))
    notes = []
    if fit.found.validation is not None:
        folds = len(fit.found.validation[0].shares)
        notes.append(f"Penalties chosen by the check loss of rows left out, {folds} folds; `path` has all of them.")
    elif len(fit.found.penalties) > 1:
        notes.append("The penalty is what noise alone would need in 9 of 10 samples, times 1.1.")
    notes.append("Penalised estimates are biased towards zero and have no standard errors.")
    if fit.dropped:
        notes.append(fit.dropped_note())
    notes.append(f"Method: {fit.citation}.")
    return Table(
        ("term", *(f"tau = {t:g}" for t in fit.tau)),
        tuple(rows),
        title="Penalised quantile regression",
        facts=tuple(facts),
        notes=tuple(notes),
        kind=fit.kind,
    )
