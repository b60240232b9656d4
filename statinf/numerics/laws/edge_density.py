"""Densities on both sides of zero, by local polynomials of the distribution function.

Cattaneo, Jansson and Ma (2020, JASA 115): the slope at zero of a weighted polynomial fit of the empirical distribution
function estimates the density up to the edge, without bins and without a bias there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from statinf.numerics.localpoly.kernels import kernel_values


@dataclass(frozen=True)
class Ranked:
    """Points in order with their empirical distribution function.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Increasing.
    w : ndarray, shape (n,)
        Weights with mean one.
    order : ndarray of int, shape (n,)
        Places of the sorted points among those given.
    """

    x: np.ndarray
    w: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, w: np.ndarray) -> Ranked:
        """From points (n,) and positive weights (n,)."""
        order = np.argsort(x, kind="stable")
        return cls(x[order], w[order] / w.mean(), order)

    @property
    def n(self) -> int:
        return len(self.x)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """First place of each point's ties, and the place after the last, shape (n,)."""
        new = np.r_[True, np.diff(self.x) > 0]
        first = np.flatnonzero(new)
        run = np.cumsum(new) - 1
        return first[run], np.r_[first[1:], self.n][run]

    @cached_property
    def share(self) -> np.ndarray:
        """Share of the other points at or below each, shape (n,)."""
        return (np.cumsum(self.w)[self.ends[1] - 1] - 1.0) / (self.n - 1.0)


@dataclass(frozen=True)
class EdgeDensity:
    """A polynomial fit of the distribution function on both sides of zero.

    Attributes
    ----------
    density : ndarray, shape (2,)
        Left and right of zero.
    top : ndarray, shape (2,)
        Coefficients of x^(order - 1), left and right.
    unit : ndarray, shape (n, 2)
        Influence of each point on the densities per unit of its weight, in the order given.
    rows : ndarray of int, shape (2,)
        Points inside either window.
    """

    density: np.ndarray
    top: np.ndarray
    unit: np.ndarray
    rows: np.ndarray


def edge_density(
    ranked: Ranked, order: int, h: tuple[float, float], kernel: str, *, restricted: bool = False
) -> EdgeDensity:
    """Densities at zero from both sides.

    Parameters
    ----------
    ranked : Ranked
    order : int
        Of the polynomials.
    h : (float, float)
        Bandwidths, left and right.
    kernel : str
        "triangular", "epanechnikov" or "uniform".
    restricted : bool
        One polynomial whose slope alone may jump at zero; both bandwidths are the same then.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a window holds too few distinct points.
    """
    window = slice(int(np.searchsorted(ranked.x, -h[0])), int(np.searchsorted(ranked.x, h[1], side="right")))
    x, left = ranked.x[window], ranked.x[window] < 0.0
    width = np.where(left, h[0], h[1])
    u = x / width
    k = kernel_values(kernel, u) / width * ranked.w[window]
    powers = np.vander(u, order + 1, increasing=True)
    if restricted:
        bases = np.column_stack([powers[:, 0], u * left, u * ~left, powers[:, 2:]])
        slopes, tops = [1, 2], [order, order]
        scale = h[0] ** -np.r_[0.0, 1.0, 1.0, np.arange(2.0, order + 1)]
    else:
        bases = np.column_stack([powers * left[:, None], powers * ~left[:, None]])
        slopes, tops = [1, order + 2], [order - 1, 2 * order]
        scale = np.concatenate([one ** -np.arange(order + 1.0) for one in h])
    weighted = bases * k[:, None]
    inverse = np.linalg.inv(weighted.T @ bases)
    # The level of the distribution function drops out of slopes, and takes digits with it.
    share = ranked.share[window]
    beta = scale * (inverse @ (weighted.T @ (share - share.mean())))
    unit = np.zeros((ranked.n, 2))
    unit[ranked.order[window]] = later_sums(ranked, weighted @ (inverse[slopes] * scale[slopes, None]).T, window)
    return EdgeDensity(
        beta[slopes], beta[tops], unit, np.array([np.count_nonzero(k[left]), np.count_nonzero(k[~left])])
    )


def later_sums(ranked: Ranked, parts: np.ndarray, window: slice) -> np.ndarray:
    """What each point of a window adds to slopes through the points at or above it, itself left out, shape (m, q).

    A point raises the distribution function at every later one by 1 / (n - 1). Ties share what they add. Points outside the
    window raise it at all points inside or at none, which moves levels and no slopes.

    Parameters
    ----------
    ranked : Ranked
    parts : ndarray, shape (m, q)
        What the slopes are sums of, per unit of the distribution function at each point.
    window : slice
    """
    first, last = (ends[window] - window.start for ends in ranked.ends)
    first, last = np.maximum(first, 0), np.minimum(last, len(parts))
    sums = np.vstack([np.zeros(parts.shape[1]), np.cumsum(parts, axis=0)])
    own = (sums[last] - sums[first]) / (last - first)[:, None]
    return (sums[-1] - sums[first] - own) / (ranked.n - 1.0)


@cache
def edge_constants(order: int, at: int, kernel: str, restricted: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Variance and bias constants of coefficient `at` of a fit of an order, left and right, each shape (2,).

    The variance of the coefficient is the density times the first over n h^(2 at - 1); its bias is the next coefficient
    of the distribution function times the second times h^(order + 1 - at).
    """
    points, masses = np.polynomial.legendre.leggauss(order + 8)
    u, mass = (points + 1.0) / 2.0, masses / 2.0
    half, weight = kernel_values(kernel, u), np.arange(order + 1)
    powers = u[:, None] ** weight
    tails = np.stack([_tail(s, u, mass, kernel, order) for s in u])
    if not restricted:
        inverse = np.linalg.inv((powers * (half * mass)[:, None]).T @ powers)
        spread = inverse @ ((tails * mass[:, None]).T @ tails) @ inverse
        bias = (inverse @ (powers.T @ (half * mass * u ** (order + 1))))[at]
        return np.full(2, spread[at, at]), np.array([bias * (-1.0) ** (order + 1 - at), bias])
    both, masses = np.r_[-u, u], np.r_[mass, mass] * np.r_[half, half]
    basis = np.column_stack(
        [np.ones_like(both), both * (both < 0), both * (both >= 0), both[:, None] ** np.arange(2, order + 1)]
    )
    solved = np.linalg.solve((basis * masses[:, None]).T @ basis, basis.T @ (masses * both ** (order + 1)))
    return np.full(2, np.nan), solved[1:3]


def _tail(start: float, u: np.ndarray, mass: np.ndarray, kernel: str, order: int) -> np.ndarray:
    """Integral of kernel times powers from `start` to one, shape (order + 1,)."""
    at = start + (1.0 - start) * u
    return (kernel_values(kernel, at) * (1.0 - start) * mass) @ at[:, None] ** np.arange(order + 1)
