"""Quantile vectors made nondecreasing: rearrangement, isotonic projection, and a sweep from the median."""

from __future__ import annotations

import numpy as np

from statinf.errors import one_of

KINDS = ("sort", "isotonic", "sweep")


def monotone(values: np.ndarray, kind: str) -> np.ndarray:
    """Make every row nondecreasing.

    Parameters
    ----------
    values : ndarray, shape (..., m)
        Quantiles at increasing levels.
    kind : {"sort", "isotonic", "sweep"}
        "sort" is the rearrangement of Chernozhukov, Fernandez-Val and Galichon (2010) and "isotonic" the
        least-squares projection; neither ever increases the summed pinball loss of a row. "sweep" takes
        running maxima above the median level and running minima below it, without that guarantee.

    Examples
    --------
    >>> from statinf.numerics.order.monotone import monotone
    >>> monotone([[1.0, 3.0, 2.0]], "isotonic")
    array([[1. , 2.5, 2.5]])
    """
    one_of("noncrossing", kind, KINDS)
    values = np.asarray(values, float)
    if kind == "sort":
        return np.sort(values, axis=-1)
    if kind == "isotonic":
        return _isotonic(values)
    centre = values.shape[-1] // 2
    upper = np.maximum.accumulate(values[..., centre:], axis=-1)
    lower = np.minimum.accumulate(values[..., centre::-1], axis=-1)[..., ::-1]
    return np.concatenate([lower[..., :-1], upper], axis=-1)


def _isotonic(values: np.ndarray) -> np.ndarray:
    """Max-min formula q_k = max_{a <= k} min_{b >= k} mean(q_a .. q_b), for all rows at once."""
    m = values.shape[-1]
    if not (np.diff(values, axis=-1) < 0).any():
        return values.copy()
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    best = np.full(values.shape, -np.inf)
    for a in range(m):
        means = (sums[..., a + 1 :] - sums[..., a : a + 1]) / np.arange(1, m - a + 1)
        lowest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        np.maximum(best[..., a:], lowest, out=best[..., a:])
    return np.maximum.accumulate(best, axis=-1)
