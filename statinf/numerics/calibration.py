"""Weights that meet moment conditions: exponential tilting of rows to a target mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import one_blas_thread
from statinf.numerics.newton import NewtonResult, damped_newton
from statinf.numerics.rowfit import from_some_rows
from statinf.numerics.rowsums import Rows

DIVERGED = 500.0
"""A predictor of this size means that the minimum lies at infinity: no solution."""


@dataclass(frozen=True)
class Tilt:
    """Weights ``p_i`` proportional to ``q_i exp(z_i' slope)`` with mean zero of the centred rows.

    Attributes
    ----------
    p : ndarray, shape (n,)
        Normalised weights, sum 1.
    slope : ndarray, shape (k,)
        In units of the standardised rows.
    residual : float
        Largest absolute remaining imbalance, in units of the scale.
    iterations : int
    converged : bool
    """

    p: np.ndarray
    slope: np.ndarray
    residual: float
    iterations: int
    converged: bool


def exponential_tilt(
    rows: Rows, base: np.ndarray, *, start: np.ndarray | None = None, tol: float = 1e-10, max_iter: int = 100
) -> Tilt:
    """Minimise ``sum p log(p / base)`` subject to ``sum p = 1`` and ``sum p z = 0``.

    Solved through its dual, ``min log sum base_i exp(z_i' l)``, by Newton steps.

    Parameters
    ----------
    rows : Rows
        Centred at the target mean, without intercept.
    base : ndarray, shape (n,)
        Nonnegative base weights.
    start : ndarray, shape (k,), optional
    tol : float
        Largest absolute imbalance at convergence, in units of ``rows.scale``.
    max_iter : int
    """

    def search(some: Rows, positions: np.ndarray | None, start: np.ndarray, tol: float) -> NewtonResult:
        return _Dual(some, base if positions is None else base[positions]).minimise(start, tol, max_iter)

    dual = _Dual(rows, base)
    with one_blas_thread():  # a pool woken by the small systems between passes spins on the cores these need
        found = dual.minimise(from_some_rows(rows, search) if start is None else start, tol, max_iter)
        p = dual.weights(found.beta)
    return Tilt(p, found.beta, float(np.max(np.abs(found.gradient), initial=0.0)), found.iterations, found.converged)


class _Dual:
    """``log sum base_i exp(z_i' l)`` with its derivatives, and the weights at the point it was last evaluated."""

    def __init__(self, rows: Rows, base: np.ndarray) -> None:
        self.rows, self.base = rows, base
        self.total = float(base.sum())
        self.shift = float(np.log(self.total)) if self.total > 0 else 0.0
        self.terms = np.empty(rows.n)
        self.point: np.ndarray | None = None

    def minimise(self, start: np.ndarray, tol: float, max_iter: int) -> NewtonResult:
        return damped_newton(
            self.evaluate, start, tol=tol, max_iter=max_iter, limit=DIVERGED, first_order=self.first_order
        )

    def function(self, eta: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        eta -= self.shift
        e = np.exp(eta, out=eta)
        e *= self.base[at]
        self.terms[at] = e
        return e, e, e

    def evaluate(self, slope: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        mass, first, second = self._sums(slope, self.rows.sums)
        if not np.isfinite(mass) or mass <= 0.0:
            return np.inf, first, second
        mean = first / mass
        return self._value(mass), mean, second / mass - np.outer(mean, mean)

    def first_order(self, slope: np.ndarray) -> tuple[float, np.ndarray]:
        mass, first = self._sums(slope, self.rows.first_sums)
        if not np.isfinite(mass) or mass <= 0.0:
            return np.inf, first
        return self._value(mass), first / mass

    def weights(self, slope: np.ndarray) -> np.ndarray:
        """The normalised weights at a point, shape (n,); the dual keeps none of its own."""
        if self.point is None or not np.array_equal(slope, self.point):
            self.first_order(slope)
        p, self.terms, self.point = self.terms, np.empty(0), None
        p /= p.sum()
        return p

    def _sums(self, slope: np.ndarray, sums: Callable[..., Any]) -> Any:
        self.point = slope
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = sums(slope, self.function)
            if not np.isfinite(found[0]) or found[0] <= 0.0:
                # The running normaliser is too far off for this step: take the exact maximum once.
                self.shift = float(np.max(self.rows.predictor(slope), where=self.base > 0, initial=-np.inf))
                found = sums(slope, self.function)
        return found

    def _value(self, mass: float) -> float:
        # The sums near one keep the exponentials of the next point in range.
        self.shift += float(np.log(mass))
        return self.shift - float(np.log(self.total))
