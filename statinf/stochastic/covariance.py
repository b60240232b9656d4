"""Covariances of the averaged iterate from one-pass sums; each returns an estimate of Var(mean).

Plug-in: Polyak & Juditsky (1992); Chen, Lee, Tong & Zhang (2020), arXiv 1610.08637. HAC: Newey & West (1987).
Overlapping batch means: Zhu, Chen & Wu (2023), arXiv 2002.03979. Random scaling: Lee, Liao, Seo & Shin (2022),
arXiv 2106.03156.
"""

from __future__ import annotations

import numpy as np

from statinf.stochastic.state import CovarianceSums

INFERENCE = ("multiplier", "plugin", "hac", "batch-means", "random-scaling")
"""Kinds of covariance of an averaged run."""


def _sandwich(sums: CovarianceSums, meat: np.ndarray) -> np.ndarray:
    bread = np.linalg.inv(sums.jacobian)
    return bread @ meat @ bread.T


def plugin(sums: CovarianceSums) -> np.ndarray:
    """A^{-1} S A^{-T} / n with A the mean Jacobian and S the second moment of the noise, shape (d, d)."""
    return _sandwich(sums, sums.noise)


def bartlett(lagged: np.ndarray) -> np.ndarray:
    """Bartlett-weighted sum of autocovariances (lags + 1, d, d), shape (d, d)."""
    lags = len(lagged) - 1
    total = lagged[0].copy()
    for lag in range(1, lags + 1):
        total += (1.0 - lag / (lags + 1.0)) * (lagged[lag] + lagged[lag].T)
    return total


def hac(sums: CovarianceSums) -> np.ndarray:
    """The plug-in with Bartlett-weighted autocovariances of the noise, shape (d, d)."""
    return _sandwich(sums, bartlett(sums.lagged))


def batch_means(sums: CovarianceSums, mean: np.ndarray) -> np.ndarray:
    """Long-run variance of one iterate from overlapping batches of growing length, shape (d, d).

    Divide by the number of iterates for the variance of the mean.
    """
    v, q = sums.batch_counts
    m = mean - sums.reference
    cross = np.outer(sums.batch_mean, m)
    return (sums.batch - cross - cross.T + q * np.outer(m, m)) / v


def random_scaling(sums: CovarianceSums, mean: np.ndarray, n: int) -> np.ndarray:
    """The random-scaling matrix of n averaged iterates, shape (d, d); not a consistent variance.

    (mean_j - theta_j) / sqrt(V_jj / n) has the law of `scaling_tail`, not a normal one.
    """
    m = mean - sums.reference
    cross = np.outer(sums.scaling_mean, m)
    return (sums.scaling - cross - cross.T + sums.scaling_count * np.outer(m, m)) / float(n) ** 2


def scaling_tail(x: float) -> float:
    """P(|t| > x) for t = W(1) / sqrt(int_0^1 (W(r) - r W(1))^2 dr), W a Wiener process.

    W(1) and the bridge are independent, and E exp(-s int bridge^2) = sqrt(sqrt(2s) / sinh sqrt(2s)); Craig's form of
    the normal tail turns the expectation into one integral over an angle.
    """
    from scipy.integrate import quad

    if x <= 0.0:
        return 1.0

    def at(angle: float) -> float:
        z = x / np.cos(angle)
        return float(np.sqrt(2.0 * z * np.exp(-z) / -np.expm1(-2.0 * z))) if z < 1400.0 else 0.0

    return 2.0 / np.pi * quad(at, 0.0, np.pi / 2.0, limit=200)[0]


def scaling_critical(level: float) -> float:
    """The two-sided critical value of random scaling: 6.747 at level 0.95."""
    from scipy.optimize import brentq

    return float(brentq(lambda x: scaling_tail(x) - (1.0 - level), 0.0, 2000.0, xtol=1e-12))


def default_lags(n: int) -> int:
    """Newey and West's rule floor(4 (n / 100)^(2/9)), at least 10."""
    return max(10, int(4.0 * (n / 100.0) ** (2.0 / 9.0)))
