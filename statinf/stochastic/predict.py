"""Predictions of an averaged fit for new rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import chunks, rows_per_chunk
from statinf.errors import OptionError, check_level, one_of
from statinf.results.predicting import prediction_frame
from statinf.stochastic.limits import critical
from statinf.stochastic.regions import draw_intervals

if TYPE_CHECKING:
    from statinf.stochastic.fit import StochasticFit


MEANS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "logistic": (lambda u: 0.5 * (1.0 + np.tanh(0.5 * u)), lambda m: m * (1.0 - m)),
    "poisson": (np.exp, lambda m: m),
}
"""Means by the linear predictor, and their derivative by the mean, of losses with a link."""


def predict(fit: StochasticFit, newdata: Any, *, interval: str | None, level: float, type: str) -> Any:
    """See `StochasticFit.predict`."""
    check_level(level)
    if interval not in (None, "confidence"):
        raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
    one_of("type", type, ("response", "link"))
    assert fit.recipe is not None
    new = fit.recipe.new_rows(newdata, roles=["covariates"])
    ok = fit.estimable
    X = new.part("covariates").values
    # A coefficient that no row moved makes the rows that use it unpredictable, not the others.
    X, blind = X[:, ok], (np.nan_to_num(X[:, ~ok]) != 0.0).any(axis=1)
    centre = np.where(blind, np.nan, X @ fit.theta[ok] + (0.0 if new.offset is None else new.offset))
    columns = {"estimate": centre}
    if interval is not None:
        low, high = _limits(fit, X, centre, level)
        se = _errors(fit, X)
        if fit.inference != "random-scaling":  # its matrix studentises, it is no variance
            columns["std_error"] = np.where(np.isnan(centre), np.nan, se)
        columns |= {"conf_low": low, "conf_high": high}
    if type == "response" and fit.run.settings.loss in MEANS:
        mean, slope = MEANS[fit.run.settings.loss]
        se = columns.pop("std_error", None)
        columns = {name: mean(value) for name, value in columns.items()}
        if se is not None:
            columns["std_error"] = se * slope(columns["estimate"])
    order = [name for name in ("estimate", "std_error", "conf_low", "conf_high") if name in columns]
    return prediction_frame(new, {name: columns[name] for name in order})


def _errors(fit: StochasticFit, X: np.ndarray) -> np.ndarray:
    """Standard errors of X theta (m,), from the root of the covariance, which keeps the digits of far columns."""
    half = X @ fit.cov.root
    return np.sqrt(np.einsum("ij,ij->i", half, half))


def _limits(fit: StochasticFit, X: np.ndarray, centre: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.full(len(X), np.nan), np.full(len(X), np.nan)
    rows = np.flatnonzero(np.isfinite(centre))
    if fit.inference != "multiplier" or fit.interval == "sequential":
        half = critical(fit, level, "sequential" if fit.interval == "sequential" else "normal") * _errors(fit, X[rows])
        low[rows], high[rows] = centre[rows] - half, centre[rows] + half
        return low, high
    errors = fit.replica_draws() - fit.theta[fit.estimable]
    # A simultaneous band is over all rows asked for, so these stay together.
    size = max(len(rows), 1) if fit.interval == "simultaneous" else rows_per_chunk(8.0 * len(errors))
    for part in chunks(len(rows), size):
        at = rows[part]
        limits = draw_intervals(centre[at], errors @ X[at].T + centre[at], level, fit.interval)
        low[at], high[at] = limits.T
    return low, high
