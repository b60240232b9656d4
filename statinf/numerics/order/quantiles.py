"""Weighted quantiles."""

from __future__ import annotations

import numpy as np

from statinf.errors import OptionError


def weighted_quantile(
    values: np.ndarray, probabilities: np.ndarray | float, weights: np.ndarray | None = None, *, kind: str = "inverse"
) -> np.ndarray:
    """Quantiles of a weighted sample.

    Parameters
    ----------
    values : ndarray, shape (n,)
    probabilities : float or ndarray, shape (k,)
        In [0, 1].
    weights : ndarray, shape (n,), optional
        Not negative; ones by default.
    kind : {"inverse", "linear"}
        "inverse" is the smallest value whose cumulated share of the weight reaches the probability (the
        inverse of the weighted distribution function; R's type 1). "linear" interpolates between the
        points (cumulated weight before the value) / (total - own weight of the last), which is R's
        type 7 for equal weights.

    Returns
    -------
    ndarray, shape (k,) or ()
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise OptionError("probabilities of quantiles lie in [0, 1].")
    order = np.argsort(values, kind="stable")
    x = np.asarray(values, dtype=np.float64)[order]
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)[order]
    x, w = x[w > 0], w[w > 0]
    if len(x) == 0:
        raise OptionError("a quantile needs at least one value of positive weight.")
    total = np.cumsum(w)
    if kind == "inverse":
        # A share that equals p up to rounding of the sum counts as reached.
        reach = p * total[-1] * (1.0 - 4.0 * np.finfo(float).eps)
        return x[np.minimum(np.searchsorted(total, reach, side="left"), len(x) - 1)]
    if kind == "linear":
        if len(x) == 1:
            return np.full(p.shape, x[0])
        before = total - w
        return np.interp(p, before / before[-1], x)
    raise OptionError(f"kind={kind!r} is not known; choose 'inverse' or 'linear'.")
