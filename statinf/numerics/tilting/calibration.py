"""Weights that meet moment conditions: exponential tilting of rows to a target mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import one_blas_thread
from statinf.numerics.rowwise.fit import from_some_rows
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton
from statinf.numerics.rowwise.sums import NewtonSums, ScaledRows

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
    rows: ScaledRows, base: np.ndarray, *, start: np.ndarray | None = None, tol: float = 1e-10, max_iter: int = 100
) -> Tilt:
    """Minimise ``sum p log(p / base)`` subject to ``sum p = 1`` and ``sum p z = 0``.

    Solved through its dual, ``min log sum base_i exp(z_i' l)``, by Newton steps.

    Parameters
    ----------
    rows : ScaledRows
        Centred at the target mean, or with the weights of that mean; without intercept.
    base : ndarray, shape (n,)
        Nonnegative base weights.
    start : ndarray, shape (k,), optional
    tol : float
        Largest absolute imbalance at convergence, in units of ``rows.scale``.
    max_iter : int
    """

    def search(some: ScaledRows, positions: np.ndarray | None, start: np.ndarray, tol: float) -> NewtonResult:
        return _Dual(some, base if positions is None else base[positions]).minimise(start, tol, max_iter)

    dual = _Dual(rows, base)
    with one_blas_thread():  # a pool woken by the small systems between passes spins on the cores these need
        found = dual.minimise(from_some_rows(rows, search) if start is None else start, tol, max_iter)
        p = dual.weights(found.beta)
    return Tilt(p, found.beta, float(np.max(np.abs(found.gradient), initial=0.0)), found.iterations, found.converged)


class _Dual:
    """``log sum base_i exp(z_i' l)`` with its derivatives, and the weights at the point it was last evaluated."""

    def __init__(self, rows: ScaledRows, base: np.ndarray) -> None:
        self.rows, self.total = rows, float(base.sum())
        # One number in all places is a constant of the predictor.
        even = base.strides == (0,) and self.total > 0.0
        self.base, self.log_base = (None, float(np.log(base[0]))) if even else (base, 0.0)
        self.shift = float(np.log(self.total)) if self.total > 0 else 0.0
        self.gap = np.zeros(rows.q) if rows.target is None else None
        self.terms = np.empty(rows.n)
        self.point: np.ndarray | None = None

    def minimise(self, start: np.ndarray, tol: float, max_iter: int) -> NewtonResult:
        return damped_newton(
            self.evaluate, start, tol=tol, max_iter=max_iter, limit=DIVERGED, first_order=self.first_order
        )

    def function(self, eta: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        e = np.exp(eta, out=self.terms[at])
        if self.base is not None:
            e *= self.base[at]
        return e, e, e

    def evaluate(self, slope: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, mean, second = self._derivatives(slope, True)
        assert second is not None
        return value, gradient, second - np.outer(mean, mean)

    def first_order(self, slope: np.ndarray) -> tuple[float, np.ndarray]:
        return self._derivatives(slope, False)[:2]

    def weights(self, slope: np.ndarray) -> np.ndarray:
        """The normalised weights at a point, shape (n,); the dual keeps none of its own."""
        if self.point is None or not np.array_equal(slope, self.point):
            self.first_order(slope)
        p, self.terms, self.point = self.terms, np.empty(0), None
        p /= p.sum()
        return p

    def _derivatives(self, slope: np.ndarray, curved: bool) -> tuple[float, np.ndarray, np.ndarray, np.ndarray | None]:
        """Value, gradient, and the weighted means of z and of its products."""
        self.point = slope
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = self._sums(slope, curved)
            if not _positive(found.value):
                # The running normaliser is too far off for this step: take the exact maximum once.
                eta = self.rows.predictor(slope)
                used = True if self.base is None else self.base > 0
                self.shift = float(np.max(eta, where=used, initial=-np.inf))
                found = self._sums(slope, curved)
        mass, mean, second, _ = found
        if not _positive(mass) or self.gap is None:
            return np.inf, mean, mean, second
        mean = mean / mass
        # The sums near one keep the exponentials of the next point in range.
        self.shift += float(np.log(mass))
        value = self.shift - float(np.log(self.total)) - float(self.gap @ slope)
        return value, mean - self.gap, mean, None if second is None else second / mass

    def _sums(self, slope: np.ndarray, curved: bool) -> NewtonSums:
        wanted = self.rows.target if self.gap is None else None
        found = self.rows.all_sums(
            slope, self.function, curved=curved, offset=self.log_base - self.shift, mean_of=wanted
        )
        if found.gap is not None:
            self.gap = found.gap / self.rows.scale
        return found


def _positive(mass: float) -> bool:
    return bool(np.isfinite(mass)) and mass > 0.0
