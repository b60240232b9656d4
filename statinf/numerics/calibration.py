"""Weights that meet moment conditions: exponential tilting of rows to a target mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.newton import NewtonResult, damped_newton
from statinf.numerics.rowfit import warm_subset
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
    found = None
    subset = warm_subset(rows) if start is None else None
    if subset is not None:
        found = _newton(rows.take(subset), base[subset], np.zeros(rows.q), 1e-6, max_iter)
        start = found.beta if found.converged else None
    found = _newton(rows, base, np.zeros(rows.q) if start is None else start, tol, max_iter)
    log_weights = rows.predictor(found.beta)
    log_weights -= np.max(log_weights, where=base > 0, initial=-np.inf)
    p = base * np.exp(np.minimum(log_weights, 0.0))
    p /= p.sum()
    return Tilt(p, found.beta, float(np.max(np.abs(found.gradient), initial=0.0)), found.iterations, found.converged)


def _newton(rows: Rows, base: np.ndarray, start: np.ndarray, tol: float, max_iter: int) -> NewtonResult:
    total = base.sum()
    shift = [np.log(total)]

    def evaluate(slope: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        def function(eta: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            e = base[at] * np.exp(eta - shift[0])
            return e, e, e

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            mass, first, second = rows.sums(slope, function)
            if not np.isfinite(mass) or mass <= 0.0:
                # The running normaliser is too far off for this step: take the exact maximum once.
                shift[0] = float(np.max(rows.predictor(slope)))
                mass, first, second = rows.sums(slope, function)
            value, mean = np.log(mass) + shift[0], first / mass
        if not np.isfinite(value):
            return np.inf, first, second
        shift[0] = value
        return float(value - np.log(total)), mean, second / mass - np.outer(mean, mean)

    return damped_newton(evaluate, start, tol=tol, max_iter=max_iter, limit=DIVERGED)
