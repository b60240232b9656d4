"""From a conformal fit and rows to the arrays that its figures show."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.frame import Categorical, as_frame
from statinf.inference.conformal import binomial_interval
from statinf.plotting import conformal as figures


def draw(fit: Any, kind: str, data: Any, x: str | None, ax: Any, **options: Any) -> Any:
    """Draw one of a fit's figures; returns the axes."""
    recorded = has_outcome(fit, data)
    if kind == "coverage" and not recorded:
        raise DataError("A figure of coverage needs the recorded outcome in newdata.")
    new, sets, able = fit._sets(data, None, response=recorded, warn=data is not fit.data)
    if kind == "size":
        return figures.plot_sizes(sets.length()[able], ax=ax, **options)
    name = x or first_numeric(fit, data)
    values = numeric(data, name)
    use = able & np.isfinite(values)
    y = new.response if recorded else None
    if kind == "band":
        keep = use[sets.row]
        outcome = None if y is None else (values[use], y[use])
        return figures.plot_band(
            values[sets.row[keep]],
            sets.lower[keep],
            sets.upper[keep],
            outcome=outcome,
            xlabel=name,
            ylabel=fit.formula.split("~")[0].strip(),
            ax=ax,
            **options,
        )
    assert y is not None
    use &= np.isfinite(y)
    return draw_coverage(values[use], sets.contains(y)[use], fit.level, name, ax, **options)


def draw_coverage(
    values: np.ndarray, covered: np.ndarray, level: float, name: str, ax: Any, *, bins: int = 10, **options: Any
) -> Any:
    """Shares of rows covered (n,) in bins of a covariate (n,) that hold about as many rows each; returns the axes."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, int(bins) + 1)))
    code = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    n = np.bincount(code, minlength=max(len(edges) - 1, 1))
    hits = np.bincount(code, weights=covered, minlength=len(n))
    low, high = binomial_interval(hits, n)
    centre = np.bincount(code, weights=values, minlength=len(n)) / np.maximum(n, 1)
    seen = n > 0
    return figures.plot_coverage(
        centre[seen], hits[seen] / n[seen], low[seen], high[seen], level=level, xlabel=name, ax=ax, **options
    )


def has_outcome(fit: Any, data: Any) -> bool:
    """Whether data hold the columns of the outcome."""
    names = set(as_frame(data).names)
    return all(c in names for label in fit.recipe.response for c in fit.recipe.factors[label].columns)


def first_numeric(fit: Any, data: Any) -> str:
    """The first covariate of the formula that is a number."""
    frame = as_frame(data)
    outcome = {c for label in fit.recipe.response for c in fit.recipe.factors[label].columns}
    for column in fit.recipe.columns:
        if column not in outcome and not isinstance(frame.column(column), Categorical):
            return column
    raise OptionError("The formula has no numeric covariate to plot against; give x='column' or kind='size'.")


def numeric(data: Any, name: str) -> np.ndarray:
    """A numeric column (rows,) of a frame."""
    frame = as_frame(data, [name])
    frame.require(name)
    column = frame.column(name)
    if isinstance(column, Categorical):
        raise OptionError(f"x={name!r} holds categories; choose a numeric column.")
    return column.values
