"""Confidence sequences: limits of a running average that hold at every look, however often and whenever one looks.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
sequences, Annals of Statistics 52, arXiv 2103.06476: Robbins' normal mixture around an average that is close to a
Brownian motion. Xie, Jin, Liang & Zhang (2024), arXiv 2410.15057: averaged stochastic approximation is that close, with
the plug-in estimate of its covariance.

With t averaged rows and a standard error se the limits are `estimate -/+ se r(t)`,
`r(t)^2 = (1 + 1 / x) (log(1 + x) + 2 log(1 / alpha))`, `x = t rho^2`. The chance that they miss the truth at any look from the
first on tends to alpha at most as the first look moves out; rho has to be chosen without a look at the data.
"""

from __future__ import annotations

import numpy as np


def mixture_rho(rows: float, level: float) -> float:
    """The rho under which the sequence at a level is narrowest when `rows` rows are averaged.

    The root x = rows rho^2 of x = log(1 + x) + 2 log(1 / alpha): by Lambert's function, u - log u = 1 + 2 log(1 / alpha)
    with u = 1 + x.

    Parameters
    ----------
    rows : float
    level : float
        In (0, 1).

    Returns
    -------
    float
    """
    from scipy.special import lambertw

    alpha = 1.0 - level
    x = -float(np.real(lambertw(-alpha * alpha / np.e, k=-1))) - 1.0
    return float(np.sqrt(x / rows))


def sequential_critical(t: np.ndarray | float, rho: float, level: float) -> np.ndarray | float:
    """How many standard errors the limits are away from the average of t rows.

    Parameters
    ----------
    t : ndarray or float
        Averaged rows, at least 1.
    rho : float
    level : float

    Returns
    -------
    ndarray or float
        Of the shape of t.
    """
    x = np.asarray(t, np.float64) * rho * rho
    value = np.sqrt((1.0 + 1.0 / x) * (np.log1p(x) - 2.0 * np.log1p(-level)))
    return float(value) if value.ndim == 0 else value


def sequential_p_values(z: np.ndarray, t: np.ndarray | float, rho: float) -> np.ndarray:
    """One less the largest level at which the sequence leaves zero out, for estimates z standard errors from it.

    Parameters
    ----------
    z : ndarray, shape (q,)
    t : ndarray, shape (q,), or float
        Averaged rows.
    rho : float

    Returns
    -------
    ndarray, shape (q,)
        Below alpha at some look with probability alpha at most, where the coefficient is zero.
    """
    x = t * rho * rho
    return np.minimum(np.exp(0.5 * np.log1p(x) - 0.5 * np.square(z) * x / (1.0 + x)), 1.0)
