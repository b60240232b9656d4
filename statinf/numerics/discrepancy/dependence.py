"""How far columns depend on a dose under weights: correlations, and how far weights move the columns themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dependence:
    """Statistics of every column, each of shape (p,).

    Attributes
    ----------
    correlation : ndarray
        Weighted correlation with the dose; zero for a column that does not vary.
    shift : ndarray
        Weighted mean less the mean under the sampling weights, in standard deviations of the sample.
    ks : ndarray
        Largest difference between the distribution functions under the two sets of weights.
    mean : ndarray
        Weighted mean.
    """

    correlation: np.ndarray
    shift: np.ndarray
    ks: np.ndarray
    mean: np.ndarray


def dependence(x: np.ndarray, dose: np.ndarray, s: np.ndarray, w: np.ndarray, *, own_sd: bool = True) -> Dependence:
    """Dependence of the columns on the dose.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    dose : ndarray, shape (n,)
    s, w : ndarray, shape (n,)
        Sampling weights and balancing weights.
    own_sd : bool
        Divide covariances by the standard deviations under `w`, so that they are correlations; under `s` otherwise.
    """
    base, p = s / s.sum(), w / w.sum()
    # About a value of the column: far from zero sums of squares would drown.
    z = np.column_stack([x - x[0], dose - dose[0]])
    first, mean = base @ z, p @ z
    sd = np.sqrt(base @ (z - first) ** 2)
    around = z - mean
    spread = np.sqrt(np.maximum(p @ around**2, 0.0)) if own_sd else sd
    covariance = (p * around[:, -1]) @ around[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where((spread[:-1] > 0) & (spread[-1] > 0), covariance / (spread[:-1] * spread[-1]), 0.0)
        shift = np.where(sd[:-1] > 0, (mean - first)[:-1] / sd[:-1], 0.0)
    ks = np.array([_ks(column, p - base) for column in x.T])
    return Dependence(correlation, shift, ks, x[0] + mean[:-1])


def _ks(column: np.ndarray, signed: np.ndarray) -> float:
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    gaps = np.cumsum(signed[order])
    return float(np.max(np.abs(gaps[np.r_[ordered[1:] != ordered[:-1], True]])))
