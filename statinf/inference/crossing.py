"""How likely a Brownian motion in several dimensions is to cross a boundary, and boundaries of a given probability.

W is a standard Brownian motion in d dimensions on (0, u], u <= 1, and |.| the Euclidean norm.

"linear": |W| passes a constant c. Kiefer (1959, Annals of Mathematical Statistics 30) has the law of its maximum as a series
over the zeros of a Bessel function.

"csw": |W(t)|^2 passes t (a^2 - d log t). With W(t) = t X(1 / t), the martingale t^(-d/2) exp(|X(t)|^2 / (2 t)) is constant on
the boundary (Robbins and Siegmund 1970, Annals of Mathematical Statistics 41), from which the probability follows in closed
form; in one dimension it is that of Chu, Stinchcombe and White (1996, Econometrica 64), 2 (1 - Phi(a) + a phi(a)).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

_TERMS = 60


@cache
def bessel_zeros(dimension: int, terms: int = _TERMS) -> np.ndarray:
    """The first positive zeros of the Bessel function of order d / 2 - 1, shape (terms,)."""
    if dimension == 1:
        return (np.arange(terms) + 0.5) * np.pi
    order = dimension / 2.0 - 1.0
    step = 0.05
    # Zeros are more than 2 apart, and the first one lies beyond the order.
    grid = order + step * np.arange(1, int((terms + 2) * (np.pi + 1.0) / step) + int(3 * order / step))
    values = special.jv(order, grid)
    at = np.flatnonzero(values[:-1] * values[1:] < 0)[:terms]
    low, high = grid[at], grid[at + 1]
    left = values[at]
    for _ in range(60):
        middle = (low + high) / 2.0
        found = special.jv(order, middle)
        below = found * left > 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2.0


def crossing_linear(c: float, dimension: int, until: float = 1.0) -> float:
    """Probability that |W| passes c on (0, until].

    Examples
    --------
    >>> round(crossing_linear(2.2414, 1), 4)
    0.05
    """
    order = dimension / 2.0 - 1.0
    zeros = bessel_zeros(dimension)
    rate = until / (2.0 * c * c)
    terms = np.exp((order - 1.0) * np.log(zeros) - zeros**2 * rate) / special.jv(order + 1.0, zeros)
    stays = float(np.exp((1.0 - order) * np.log(2.0) - special.gammaln(order + 1.0)) * terms.sum())
    return float(np.clip(1.0 - stays, 0.0, 1.0))


def crossing_csw(a: float, dimension: int, until: float = 1.0) -> float:
    """Probability that |W(t)|^2 passes t (a^2 - d log t) on (0, until].

    Examples
    --------
    >>> round(crossing_csw(2.7955, 1), 3)
    0.05
    """
    square = a * a - dimension * np.log(until)
    half = dimension / 2.0
    beyond = float(special.gammaincc(half, square / 2.0))
    # The volume of the ball times the density at its border.
    inside = float(np.exp(half * np.log(square / 2.0) - special.gammaln(half + 1.0) - square / 2.0))
    return beyond + inside


_CROSSINGS = {"linear": crossing_linear, "csw": crossing_csw}


def boundary(shape: str, probability: float, dimension: int, until: float = 1.0) -> float:
    """The constant c or a whose boundary is crossed with this probability on (0, until].

    Parameters
    ----------
    shape : {"linear", "csw"}
    probability : float
        In (0, 1).
    dimension : int
    until : float
        In (0, 1].
    """
    from scipy.optimize import brentq

    if shape == "csw":
        # a^2 - d log(until) alone matters, and it may only be found where it is positive.
        square = brentq(lambda s: crossing_csw(s**0.5, dimension) - probability, 1e-6, 1e4, xtol=1e-12, rtol=1e-13)
        return float((max(square + dimension * np.log(until), 0.0)) ** 0.5)
    # By scaling, |W| passes c on (0, until] as it passes c / until^(1/2) on (0, 1]; and it passes c at least as often as its
    # end is beyond c, and at most twice as often (Levy).
    low, high = (float(2.0 * special.gammainccinv(dimension / 2.0, p)) ** 0.5 for p in (probability, probability / 2.0))
    found = brentq(lambda c: crossing_linear(c, dimension) - probability, 0.999 * low, 1.001 * high, xtol=1e-12)
    return float(found * until**0.5)


def limits(shape: str, constant: float, dimension: int, beyond: np.ndarray) -> np.ndarray:
    """The limit of |W(1 + s) - (1 + s) W(1)| at s > 0 (k,), which is (1 + s) |W(s / (1 + s))| in law.

    Parameters
    ----------
    shape : {"linear", "csw"}
    constant : float
        From `boundary`.
    dimension : int
    beyond : ndarray, shape (k,)
        Time s since the end of the history, in its lengths.
    """
    whole = 1.0 + beyond
    if shape == "linear":
        return constant * whole
    return np.sqrt(np.maximum(beyond * whole * (constant**2 + dimension * np.log(whole / beyond)), 0.0))
