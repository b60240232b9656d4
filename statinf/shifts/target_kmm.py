"""Kernel mean matching under target shift.

Zhang, Schoelkopf, Muandet and Wang (2013, International Conference on Machine Learning 30): the weights omega(y_i) under
which the source's conditional mean embeddings of x given y average to the target's embedding of x. The weights are smooth
in y by construction, R alpha with R = L (L + reg I)^{-1} for the kernel matrix L of the outcomes, and solve a quadratic
programme in alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError, OptionError
from statinf.shifts.continuous import Pair, Solution, column_bandwidths, product_kernel

CITATION = "kernel mean matching under target shift (Zhang, Schoelkopf, Muandet and Wang 2013)"
OPTIONS = ("bound", "eps", "ridge")
LABEL_RIDGE = 0.1
KEPT = 1e-7


@dataclass(frozen=True)
class SmoothRatio:
    """omega(y) = sum_j coef_j k(y, y_j).

    Attributes
    ----------
    y, coef : ndarray, shape (n,)
    bandwidth : float
    """

    y: np.ndarray
    coef: np.ndarray
    bandwidth: float

    def at(self, y: np.ndarray) -> np.ndarray:
        kernel = product_kernel(y[:, None], self.y[:, None], np.array([self.bandwidth]))
        return np.maximum(kernel @ self.coef, 0.0)


def estimate(
    pair: Pair, *, bound: float = 10.0, eps: float | None = None, ridge: float = 1e-6, seed: int = 0
) -> Solution:
    """Solve the quadratic programme.

    Parameters
    ----------
    pair : Pair
    bound : float
        Largest weight.
    eps : float, optional
        Slack of the mean weight around one; 2.5 / sqrt(n) by default.
    ridge : float
        Of alpha.
    seed : int
        Not used.
    """
    n = len(pair.y)
    if np.ptp(pair.ws) > 0:
        raise OptionError("method='kmm' takes source rows of equal weight; use method='retasa'.")
    slack = 2.5 / np.sqrt(n) if eps is None else float(eps)
    if not bound > 0 or not slack >= 0 or not ridge > 0:
        raise OptionError(
            f"bound={bound!r}, eps={eps!r}, ridge={ridge!r}: bound and ridge are positive, eps at least 0."
        )
    hx, hy = 2.0 * column_bandwidths(pair.xs), 2.0 * column_bandwidths(pair.y[:, None])
    kernel_x = product_kernel(pair.xs, pair.xs, hx)
    pull = product_kernel(pair.xs, pair.xt, hx) @ (pair.wt / pair.wt.sum()) * n
    values, vectors = np.linalg.eigh(product_kernel(pair.y[:, None], pair.y[:, None], hy))
    gain = np.maximum(values, 0.0) / (np.maximum(values, 0.0) + LABEL_RIDGE)
    kept = gain > KEPT
    basis, gain = vectors[:, kept], gain[kept]
    # alpha = basis gamma; the weights basis (gain gamma) meet the smoother once more on their way to the embedding.
    square = (basis * gain**2).T @ kernel_x @ (basis * gain**2)
    gamma, objective = _solve(square, (basis * gain**2).T @ pull, basis * gain, ridge, bound, slack)
    weights = (basis * gain) @ gamma
    coef = basis @ (gamma / (np.maximum(values[kept], 0.0) + LABEL_RIDGE))
    settings = {"bound": bound, "eps": slack, "ridge": ridge, "bandwidth x": float(hx[0]), "bandwidth y": float(hy[0])}
    return Solution(SmoothRatio(pair.y, coef, float(hy[0])), weights, settings, {"objective": objective})


def _solve(
    square: np.ndarray, linear: np.ndarray, basis: np.ndarray, ridge: float, bound: float, slack: float
) -> tuple[np.ndarray, float]:
    import cvxpy as cp

    n, k = basis.shape
    gamma = cp.Variable(k)
    weights = basis @ gamma
    full = cp.psd_wrap(0.5 * (square + square.T) + ridge * np.eye(k))
    objective = 0.5 * cp.quad_form(gamma, full) - linear @ gamma
    limits = [weights >= 0, weights <= bound, cp.abs(cp.sum(weights) - n) <= n * slack]
    problem = cp.Problem(cp.Minimize(objective), limits)
    problem.solve(solver=cp.CLARABEL)
    if gamma.value is None:
        raise ConvergenceError(f"the quadratic programme ended as {problem.status}; raise eps= or bound=.")
    return np.asarray(gamma.value), float(objective.value)  # type: ignore[arg-type]
