"""Local polynomials of many outcomes on one side of zero."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import factorial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.numerics.localpoly.kernels import kernel_values


@dataclass(frozen=True, repr=False)
class Side(Brief):
    """Rows on one side of zero, in ascending order of x.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Distances from the cutoff; zero belongs to the right side.
    y : ndarray, shape (n, m)
        Outcomes.
    w : ndarray, shape (n,)
        Row weights, positive.
    index : ndarray of int, shape (n,)
        Place of each row in the arrays that the side was made of.
    right : bool
    """

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    index: np.ndarray
    right: bool
    kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was made of the rows once and serves again."""

    def window(self, bandwidth: float, closed: bool = False) -> slice:
        """Rows with |x| below the bandwidth; with `closed` those at it too."""
        if self.right:
            return slice(0, int(np.searchsorted(self.x, bandwidth, "right" if closed else "left")))
        return slice(int(np.searchsorted(self.x, -bandwidth, "left" if closed else "right")), len(self.x))

    def kernel_window(self, bandwidth: float, kernel: str) -> slice:
        """Rows of positive kernel weight."""
        return self.window(bandwidth, closed=kernel == "uniform")

    def take(self, window: slice) -> Side:
        """The rows of a window; the same object for the same window."""
        ends = window.start, window.stop
        if ends not in self.kept:
            x, y, w, index = (a[window] for a in (self.x, self.y, self.w, self.index))
            self.kept[ends] = Side(x, y, w, index, self.right)
        return self.kept[ends]

    @cached_property
    def groups(self) -> np.ndarray:
        """Where each run of tied x begins, and n at the end, shape (distinct + 1,)."""
        new = np.flatnonzero(self.x[1:] > self.x[:-1]) + 1
        return np.concatenate([[0], new, [len(self.x)]]) if len(self.x) else np.zeros(1, int)

    @property
    def distinct(self) -> int:
        """Number of distinct x."""
        return len(self.groups) - 1

    @property
    def reach(self) -> float:
        """Largest distance."""
        return float(abs(self.x[-1 if self.right else 0])) if len(self.x) else 0.0


def sides(x: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> tuple[Side, Side]:
    """Left and right side of zero.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Distances from the cutoff.
    y : ndarray, shape (n,) or (n, m)
    w : ndarray, shape (n,), optional
        Rows of weight zero are left out.
    """
    y = y[:, None] if y.ndim == 1 else y
    w = np.ones(len(x)) if w is None else w
    index = np.argsort(x)
    if not (w > 0).all():
        index = index[w[index] > 0]
    x, y, w = x[index], y[index], w[index]
    cut = int(np.searchsorted(x, 0.0))
    return (
        Side(x[:cut], y[:cut], w[:cut], index[:cut], False),
        Side(x[cut:], y[cut:], w[cut:], index[cut:], True),
    )


@dataclass(frozen=True, repr=False)
class LocalFit(Brief):
    """A weighted polynomial in u = x / bandwidth of each outcome.

    Attributes
    ----------
    side : Side
        The rows of the fit; some may have no kernel weight.
    u : ndarray, shape (n,)
    weight : ndarray, shape (n,)
        K(u) / bandwidth times the row weight.
    sums : ndarray, shape (2 order + 2,)
        Of weight times powers of u.
    inverse : ndarray, shape (order + 1, order + 1)
        Of basis' W basis; NaN where the polynomial is not determined.
    bandwidth : float
    """

    side: Side
    u: np.ndarray
    weight: np.ndarray
    sums: np.ndarray
    inverse: np.ndarray
    bandwidth: float

    @property
    def order(self) -> int:
        return len(self.inverse) - 1

    @property
    def determined(self) -> bool:
        return bool(np.isfinite(self.inverse).all())

    @cached_property
    def basis(self) -> np.ndarray:
        """Powers of u, shape (n, order + 1)."""
        return np.vander(self.u, self.order + 1, increasing=True)

    @cached_property
    def weighted(self) -> np.ndarray:
        """W basis, shape (n, order + 1)."""
        return self.weight[:, None] * self.basis

    @cached_property
    def coef(self) -> np.ndarray:
        """Coefficients of the powers of u, shape (order + 1, m)."""
        return self.inverse @ power_sums(self.u, self.weight, self.order, self.side.y)

    def unit(self, deriv: int) -> float:
        """What turns the coefficient of u^deriv into a derivative at zero."""
        return factorial(deriv) / self.bandwidth**deriv

    def derivative(self, deriv: int = 0) -> np.ndarray:
        """Derivative of each outcome's mean at zero, shape (m,)."""
        return self.unit(deriv) * self.coef[deriv]

    def row(self, k: int) -> np.ndarray:
        """Weights of the rows in the coefficient of u^k, shape (n,)."""
        return self.weight * along(self.u, self.inverse[k])

    def equivalent(self, deriv: int = 0) -> np.ndarray:
        """Equivalent kernel: weights of the rows in a derivative, shape (n,)."""
        return self.unit(deriv) * self.row(deriv)

    def fitted(self) -> np.ndarray:
        """Means at the rows, shape (n, m)."""
        return self.basis @ self.coef

    @cached_property
    def leverage(self) -> np.ndarray:
        """Diagonal of the hat matrix, shape (n,)."""
        return np.einsum("ij,jk,ik->i", self.weighted, self.inverse, self.basis)

    @property
    def leading(self) -> np.ndarray:
        """Basis' W u^(order + 1), shape (order + 1,)."""
        return self.sums[self.order + 1 :]


def along(u: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """A polynomial at u (n,), lowest power first."""
    value = np.full_like(u, coefficients[-1])
    for c in coefficients[-2::-1]:
        value *= u
        value += c
    return value


def power_sums(u: np.ndarray, weight: np.ndarray, degree: int, y: np.ndarray | None = None) -> np.ndarray:
    """Sums of weight (n,) times powers of u, (degree + 1,); with outcomes y (n, m) times each of them, (degree + 1, m)."""
    power, found = weight, []
    for k in range(degree + 1):
        if k:
            power = power * u if k == 1 else np.multiply(power, u, out=power)
        found.append(power.sum() if y is None else power @ y)
    return np.array(found)


def local_fit(side: Side, order: int, bandwidth: float, kernel: str, window: slice | None = None) -> LocalFit:
    """Fit one side.

    Parameters
    ----------
    side : Side
    order : int
    bandwidth : float
    kernel : {"triangular", "epanechnikov", "uniform"}
    window : slice, optional
        Rows to hold; those of positive kernel weight by default.
    """
    rows = side.take(side.kernel_window(bandwidth, kernel) if window is None else window)
    u = rows.x / bandwidth
    weight = kernel_values(kernel, u)
    weight *= rows.w
    weight /= bandwidth
    sums = power_sums(u, weight, 2 * order + 1)
    at = np.arange(order + 1)
    return LocalFit(rows, u, weight, sums, inverse_of(sums[at[:, None] + at]), bandwidth)


def inverse_of(gram: np.ndarray) -> np.ndarray:
    """Inverses of positive matrices (..., k, k); NaN where one is singular to working precision."""
    scale = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        both = scale[..., :, None] * scale[..., None, :]
        unit = gram / both
        bad = np.asarray(~np.isfinite(unit).all(axis=(-2, -1)))
        unit = np.where(bad[..., None, None], np.eye(gram.shape[-1]), unit)
        lowest = np.linalg.eigvalsh(unit)[..., 0]
        bad |= lowest < 1e-13
        unit = np.where(bad[..., None, None], np.eye(gram.shape[-1]), unit)
        made = np.linalg.inv(unit) / both
    return np.where(bad[..., None, None], np.nan, made)


def local_fits(side: Side, order: int, bandwidths: np.ndarray, kernel: str) -> list[LocalFit]:
    """A fit of each outcome at its own bandwidth: outcomes (m,) of the side, bandwidths (m,).

    Outcomes of one bandwidth share the kernel's weights; each fit has one outcome.
    """
    shared = {h: local_fit(side, order, h, kernel) for h in np.unique(bandwidths)}
    made = []
    for j, h in enumerate(bandwidths):
        fit = shared[h]
        one = Side(fit.side.x, fit.side.y[:, [j]], fit.side.w, fit.side.index, side.right)
        made.append(replace(fit, side=one))
    return made
