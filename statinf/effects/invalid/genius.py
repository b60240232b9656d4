"""The residualised estimator of a constant effect, from variances of the treatment that differ with the instrument.

Tchetgen Tchetgen, Sun and Walter (2021), "The GENIUS approach to robust Mendelian randomization inference", arXiv 1709.07779; the
linear case is Lewbel (2012). With r and u what is left of treatment and outcome given instrument and covariates, and z of the
instrument given covariates, ``sum z (r u - beta r^2) = 0``: a direct effect of the instrument is in the mean of u, and gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.effects.invalid.nuisances import NuisanceResiduals
from statinf.errors import NotIdentifiedError


@dataclass(frozen=True, repr=False)
class Genius(Brief):
    """The estimate in standard units.

    Attributes
    ----------
    beta : float
    influence : ndarray, shape (n,)
        Of each row, weight included.
    kappa : float
        Covariance of treatment and outcome that confounding makes.
    f_het : float
        Strength of the heteroscedasticity: a chi-square over its degrees of freedom.
    j, df : float and int
        Hansen's criterion of several instruments, NaN for one, and its degrees of freedom.
    a, d : ndarray, shape (n, m)
        Scores ``a - beta d``, weights included.
    """

    beta: float
    influence: np.ndarray
    kappa: float
    f_het: float
    j: float
    df: int
    a: np.ndarray
    d: np.ndarray


def genius(found: NuisanceResiduals, w: np.ndarray) -> Genius:
    """Closed form of one instrument, two-step GMM of several."""
    mass = w.sum()
    product, square = found.r * found.u, found.r**2
    z = found.z * w[:, None]
    # Without their means, which changes no sum of a logit's or a regression's residuals, only the scores.
    a = z * (product - w @ product / mass)[:, None]
    d = z * (square - w @ square / mass)[:, None]
    sums_a, sums_d = a.sum(axis=0), d.sum(axis=0)
    spread = d.T @ d
    if np.abs(sums_d).max() <= 1e-10 * float(np.abs(found.z[w > 0]).max() * (w @ square)):
        raise NotIdentifiedError(
            "the treatment varies as much at all values of the instruments: nothing tells its effect from their direct effects."
        )
    f_het = float(sums_d @ np.linalg.pinv(spread, hermitian=True) @ sums_d) / len(sums_d)
    middle = np.linalg.pinv(spread, hermitian=True)
    beta = float(sums_d @ middle @ sums_a / (sums_d @ middle @ sums_d))
    if len(sums_a) > 1:
        first = a - beta * d
        middle = np.linalg.pinv(first.T @ first, hermitian=True)
        beta = float(sums_d @ middle @ sums_a / (sums_d @ middle @ sums_d))
    scores = a - beta * d
    influence = scores @ (middle @ sums_d) / float(sums_d @ middle @ sums_d)
    left = scores.sum(axis=0)
    j = float(left @ middle @ left) if len(left) > 1 else np.nan
    kappa = float(w @ (product - beta * square) / mass)
    return Genius(beta, influence, kappa, f_het, j, len(left) - 1, a, d)


def kept_effects(made: Genius, codes: np.ndarray | None, critical: float) -> tuple[tuple[float, float], ...]:
    """Effects that a test of the one instrument's moment keeps: a quadratic inequality, whatever the heteroscedasticity.

    Parameters
    ----------
    made : Genius
        Of one instrument.
    codes : ndarray of int, shape (n,), or None
        Clusters, whose scores are summed.
    critical : float
        Of a chi-square with one degree of freedom.
    """
    a, d = made.a[:, 0], made.d[:, 0]
    if codes is not None:
        a, d = np.bincount(codes, a), np.bincount(codes, d)
    top = d.sum() ** 2 - critical * (d @ d)
    middle = a.sum() * d.sum() - critical * (a @ d)
    last = a.sum() ** 2 - critical * (a @ a)
    root = middle**2 - top * last
    if root < 0:
        return ((-np.inf, np.inf),)
    if top > 0:
        ends = np.sort((middle + np.array([-1.0, 1.0]) * np.sqrt(root)) / top)
        return ((float(ends[0]), float(ends[1])),)
    ends = np.sort((middle + np.array([-1.0, 1.0]) * np.sqrt(root)) / top)
    return ((-np.inf, float(ends[0])), (float(ends[1]), np.inf))


def statistic(made: Genius, codes: np.ndarray | None, null: float) -> float:
    """Chi-square statistic of an effect in standard units."""
    score = made.a[:, 0] - null * made.d[:, 0]
    summed = score if codes is None else np.bincount(codes, score)
    return float(summed.sum() ** 2 / (summed @ summed))
