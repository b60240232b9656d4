"""Tables of a penalised cumulative logit model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.results import Table, format_number

if TYPE_CHECKING:
    import pandas as pd

    from statinf.quantile.presto.result import Presto

SCORES = {"brier": "Brier score", "loglik": "negative log-likelihood"}


def path_frame(fit: Presto) -> pd.DataFrame:
    """One row per penalty."""
    import pandas as pd

    found, none = fit.validation, np.full(len(fit.solutions.penalties), np.nan)
    return pd.DataFrame(
        {
            "penalty": fit.solutions.penalties,
            "nonproportional": fit.solutions.n_nonproportional,
            "loglik": fit.solutions.loglik,
            "score": none if found is None else found.mean,
            "std_error": none if found is None else found.error,
            "chosen": np.arange(len(none)) == fit.chosen,
        }
    )


def tidy_frame(fit: Presto, level: float) -> pd.DataFrame:
    """One row per slope and intercept."""
    import pandas as pd

    m, blocks = len(fit.boundaries), 1 if fit.parallel else len(fit.boundaries)
    slopes = [""] * len(fit.columns) if fit.parallel else np.repeat(fit.boundaries, len(fit.columns))
    differences = fit.solutions.differences[fit.chosen][:blocks].ravel()
    frame = pd.DataFrame(
        {
            "term": fit.terms,
            "boundary": [*slopes, *fit.boundaries],
            "estimate": fit.theta,
            "difference": np.concatenate([differences, np.full(m, np.nan)]),
        }
    )
    if fit.draws is None:
        return frame
    limits = fit.conf_int(level)
    return frame.assign(
        std_error=fit.std_errors.to_numpy(),
        conf_low=limits["conf_low"].to_numpy(),
        conf_high=limits["conf_high"].to_numpy(),
    )


def summary_table(fit: Presto) -> Table:
    """Slopes and intercepts by boundary, as rows or as columns, whichever is narrower."""
    differs = set(fit.nonproportional)
    columns, rows = (
        _by_column(fit) if len("".join(fit.boundaries)) < len("".join(fit.columns)) + 9 else _by_boundary(fit)
    )
    named = ", ".join(map(str, fit.levels[:8])) + (", ..." if len(fit.levels) > 8 else "")
    facts = [("Formula", fit.formula), ("Observations", str(fit.nobs)), ("Categories", named)]
    facts += [("Penalty", format_number(fit.penalty)), ("Columns that differ", f"{len(differs)} of {len(fit.columns)}")]
    if fit.validation is not None:
        facts.append((f"CV {SCORES[fit.criterion]}", format_number(fit.validation.mean[fit.chosen])))
    notes = ["P(Y <= k) = logistic(intercept of the boundary + x'b_k): positive slopes make lower categories likelier."]
    if fit.crossed > 0:
        notes.append(
            f"Cumulative probabilities cross on {100 * fit.crossed:.3g} percent of the rows; predictions sort them."
        )
    if fit.validation is not None and fit.chosen == len(fit.solutions.penalties) - 1:
        notes.append("The smallest penalty scored best: a lower lambda_min_ratio= looks further.")
    if fit.draws is None:
        notes.append("Penalised estimates have no standard errors; bootstrap() draws them for orientation.")
    else:
        notes.append(f"Draws: {fit.draws.label}; intervals of a penalised estimate are heuristic.")
    if fit.dropped:
        notes.append(fit.dropped_note())
    notes.append(f"Method: {fit.citation}.")
    return Table(
        columns,
        rows,
        title="PRESTO: cumulative logit shrunk towards proportional odds",
        facts=tuple(facts),
        notes=tuple(notes),
        rules=(len(rows) - 1,) if columns[0] == "column" else (),
        kind=fit.kind,
    )


def _by_column(fit: Presto) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    differs = set(fit.nonproportional)
    rows = [
        (name, *(format_number(v) for v in values), "yes" if name in differs else "")
        for name, values in zip(fit.columns, fit.slopes.to_numpy(), strict=True)
    ]
    last = ("intercept", *(format_number(v) for v in fit.intercepts), "")
    return ("column", *fit.boundaries, "differs"), (*rows, last)


def _by_boundary(fit: Presto) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    values = np.column_stack([fit.slopes.to_numpy().T, fit.intercepts])
    rows = [(name, *(format_number(v) for v in row)) for name, row in zip(fit.boundaries, values, strict=True)]
    return ("boundary", *fit.columns, "intercept"), tuple(rows)
