"""How large the default steps of a preconditioned run may be.

Averaging takes away the noise of the iterates, not what a step of size alpha does to the equations that they solve on
average. Two such errors are of the order of alpha, and do not fall with n where the steps are scaled to the length of the
stream: the curvature of a logistic or quantile equation under iterates that move about its root, and rows of large leverage h,
which count only by the share 1 / (1 + alpha w h). Steps are made so small that neither matters, as far as the average still
spans enough relaxation times.
"""

from __future__ import annotations

import numpy as np

from statinf.stochastic.tuning import UNKNOWN_LENGTH, spread

_LEAST_K0 = 200.0
_SPAN = 15.0
"""Relaxation times that an average spans at least."""
_SPAN_ALONG = 5.0
"""The same along a trajectory."""
_BIAS = 1.0 / 3.0
"""Standard errors of the average that the curvature of its equation may shift it by."""
_LOST = 0.25
"""alpha w h of a row as it counts in the equations, that is weighted by its leverage h."""


def least_k0(n: int | None) -> float:
    """A hundredth of the rows; steps of short streams fall later, so that the average spans many relaxation times."""
    length = UNKNOWN_LENGTH if n is None else n
    return float(np.ceil(max(length / 100.0, min(_LEAST_K0, length / 10.0))))


def step_share(c0: float, k0: float, power: float, n: int | None, wanted: float) -> float:
    """Factor in (0, 1] that brings the step in the middle of n rows down to `wanted`, or to the least that averages."""
    length = UNKNOWN_LENGTH if n is None else n
    return float(min(1.0, max(wanted, _SPAN / length) * (k0 + length / 2.0) ** power / c0))


def leverage_step(h: np.ndarray, largest: float) -> float:
    """The largest step under which rows of leverage h (m,) keep their say; `largest` is the largest multiplier."""
    total = float(h.sum())
    return _LOST / (largest * float((h * h).sum()) / total) if total > 0.0 else np.inf


def curvature_step(
    f: np.ndarray, g: np.ndarray, inverse: np.ndarray, third: np.ndarray, noise: float, n: int | None
) -> float:
    """The largest step whose second-order bias is below a third of a standard error.

    Iterates move about the root with the covariance alpha / 2 times V = noise^2 P, P the inverse mean Jacobian, so that the mean
    equation is off by b = E f psi'' g' V g alpha / 4 and the average by P b. Its standard errors are those of V / n.

    Parameters
    ----------
    f, g : ndarray, shape (m, d)
    inverse : ndarray, shape (d, d)
        P.
    third : ndarray, shape (m,)
        psi'', the derivative of the curvature of the loss.
    noise : float
        Such that the mean of psi^2 f g' is noise^2 times the mean Jacobian.
    n : int or None
        Length of the stream, where known.
    """
    length = UNKNOWN_LENGTH if n is None else n
    lean = (f * (third * ((g @ inverse) * g).sum(axis=1))[:, None]).mean(axis=0)
    size = 0.25 * noise * np.sqrt(length * max(float(lean @ inverse @ lean), 0.0))
    return _BIAS / size if size > 0.0 else np.inf


def logistic_third(p: np.ndarray) -> np.ndarray:
    """Derivative of p (1 - p) in the logit, shape (m,)."""
    return p * (1.0 - p) * (1.0 - 2.0 * p)


def quantile_third(residuals: np.ndarray, tau: float, density: float) -> float:
    """Slope of the residuals' density at their quantile: of a kernel estimate, or of the normal law where that is steeper."""
    from scipy.special import ndtri

    centred = residuals - np.quantile(residuals, tau)
    h = 1.06 * spread(residuals) * len(residuals) ** (-1.0 / 7.0)  # the rate for a derivative
    z = centred / h
    found = float(np.mean(z * np.exp(-0.5 * z * z)) / (h * h * np.sqrt(2.0 * np.pi)))
    normal = abs(float(ndtri(tau)))
    at = np.exp(-0.5 * normal * normal) / np.sqrt(2.0 * np.pi)
    return max(abs(found), normal / at * density * density)


def spanning_k0(slowest: float, bound: float, n: int | None, power: float, *, along: bool = False) -> float:
    """The least k0 under which steps (k0 / (k0 + k))^power / bound span enough relaxation times of the slowest direction.

    A linear equation on independent rows has no bias from its steps, so that those of temporal differences, whose discounting
    makes a direction slow, may stay large for up to the length of the stream. Along a trajectory large steps do leave a bias
    (Samsonov et al. 2025), and the average spans fewer relaxation times.

    Parameters
    ----------
    slowest : float
        Smallest real part of an eigenvalue of the mean matrix.
    bound : float
        Largest multiplier times r2; see `tuning.step_rule`.
    n : int or None
        Length of the stream, where known.
    power : float
    along : bool
        Whether rows follow one another along a trajectory.
    """
    span = _SPAN_ALONG if along else _SPAN
    length = float(UNKNOWN_LENGTH if n is None else n)
    share = min(span * bound / max(slowest * length, 1e-300), 1.0 - 1e-9) ** (1.0 / power)
    return float(np.ceil(np.clip(0.5 * length * share / (1.0 - share), length / 100.0, length)))
