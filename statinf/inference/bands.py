"""Uniform bands: intervals that hold for all coefficients at once."""

from __future__ import annotations

import numpy as np

from statinf.backend import generator
from statinf.errors import check_level


def sup_t_critical(
    covariance: np.ndarray, level: float, *, df: float = np.inf, draws: int = 100_000, seed: int = 0
) -> float:
    """Quantile of the largest absolute t statistic of a jointly normal estimate.

    The band `estimate +- critical * standard error` covers all coordinates at once with probability
    `level` in large samples (the sup-t band of Montiel Olea and Plagborg-Moller, 2019).

    Parameters
    ----------
    covariance : ndarray, shape (q, q)
        Coordinates of zero variance are left out.
    level : float
    df : float
        Degrees of freedom of the variance that all statistics share; infinite where it is known. With a model's own
        variance the band is exact in normal samples (Dunnett 1955).
    draws : int
        Monte Carlo draws; the quantile's error is about sqrt(level (1 - level) / draws) on the level scale.
    seed : int
    """
    check_level(level)
    spread = np.sqrt(np.diag(covariance))
    used = spread > 0
    if not used.any():
        return np.nan
    correlation = covariance[np.ix_(used, used)] / np.outer(spread[used], spread[used])
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = generator(seed, 0)
    largest = np.empty(draws)
    step = max(1, 4_000_000 // max(1, len(root)))
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        largest[start:stop] = np.abs(rng.standard_normal((stop - start, root.shape[1])) @ root.T).max(axis=1)
        if np.isfinite(df):
            largest[start:stop] *= np.sqrt(df / rng.chisquare(df, stop - start))
    return float(np.quantile(largest, level, method="higher"))
