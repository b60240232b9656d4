"""Test functions of the martingale conditions, and the equations that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.stochastic.continuous.equations import Equations, increments, solve, still, traces
from statinf.stochastic.continuous.features import FeatureScale
from statinf.stochastic.continuous.options import ConditionOptions
from statinf.stochastic.continuous.paths import Paths

_FLOOR = 0.1
"""Local variances are taken to be at least this share of their mean."""


def conditions(paths: Paths, scaled: FeatureScale, options: ConditionOptions, names: Sequence[str]) -> Equations:
    """The equations of linear values in features that are centred and scaled.

    Raises
    ------
    DataError
        If a test function that the caller gave does not return usable numbers.
    """
    features = scaled.apply(paths.x)
    made = increments(paths, features, options.discounting)
    if callable(options.test):
        return Equations(given(options.test, paths), *made)
    if options.test == "lambda":
        assert options.lam is not None
        return Equations(traces(paths, features, options.lam), *made)
    first = Equations(features, *made)
    if options.test == "td0":
        return first
    errors = first.errors(solve(first, names).theta)
    return Equations(first.Z / local_variance(paths, features, errors)[:, None], *made)


def local_variance(paths: Paths, features: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Variance of the martingale per unit of time, shape (n,): increments squared over the time step, regressed on features."""
    inner = ~paths.last
    rate = errors[inner] ** 2 / paths.dt[inner]
    fitted = np.linalg.lstsq(features[inner], rate, rcond=None)[0]
    mean = float(rate.mean())
    return np.maximum(features @ fitted, _FLOOR * mean) / mean if mean > 0.0 else np.ones(len(errors))


def given(function: Callable[..., Any], paths: Paths) -> np.ndarray:
    """Test functions (n, m) that the caller gave, of the features as they are and time; zero in last rows."""
    made = np.asarray(function(paths.x.copy(), paths.time.copy()), np.float64)
    made = made[:, None] if made.ndim == 1 else made
    if made.ndim != 2 or len(made) != len(paths.time):
        raise DataError(
            f"test_function returned numbers of shape {made.shape} for {len(paths.time)} rows; it takes features (n, q) and "
            "time (n,) and returns (n,) or (n, m)."
        )
    made = still(paths, made)
    if not np.isfinite(made).all():
        raise DataError("test_function returned values that are missing or infinite.")
    return made
