"""Kernel mean matching under target shift.

Zhang, Schoelkopf, Muandet and Wang (2013, International Conference on Machine Learning 30): the weights omega(y_i) under
which the source's conditional mean embeddings of x given y average to the target's embedding of x. The weights are smooth
in y by construction, R alpha with R = L (L + reg I)^{-1} for the kernel matrix L of the outcomes, and solve a quadratic
programme in alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, OptionError
from statinf.results.methods import Method
from statinf.results.options import Options, number
from statinf.shifts.continuous import OutcomeRatio, column_bandwidths, product_kernel
from statinf.shifts.samples import Samples

LABEL_RIDGE = 0.1
KEPT = 1e-7


@dataclass(frozen=True, kw_only=True)
class TargetKmmOptions(Options):
    """Options of kernel mean matching under target shift."""

    bound: float = number(10.0, "largest weight", low=0, open_low=True)
    eps: float | None = number(
        None, "slack of the mean weight around one; 2.5 / sqrt(n) by default", low=0, also=(None,)
    )
    ridge: float = number(1e-6, "penalty on the coefficients of the weights", low=0, open_low=True)


@dataclass(frozen=True, repr=False)
class SmoothRatio(Brief):
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


def estimate(samples: Samples, options: TargetKmmOptions) -> OutcomeRatio:
    """Solve the quadratic programme."""
    assert samples.y is not None
    y, n = samples.y, len(samples.y)
    if np.ptp(samples.ws) > 0:
        raise OptionError("method='kmm' takes source rows of equal weight; use method='retasa'.")
    bound, ridge = options.bound, options.ridge
    slack = 2.5 / np.sqrt(n) if options.eps is None else options.eps
    hx, hy = 2.0 * column_bandwidths(samples.xs), 2.0 * column_bandwidths(y[:, None])
    kernel_x = product_kernel(samples.xs, samples.xs, hx)
    pull = product_kernel(samples.xs, samples.xt, hx) @ (samples.wt / samples.wt.sum()) * n
    values, vectors = np.linalg.eigh(product_kernel(y[:, None], y[:, None], hy))
    gain = np.maximum(values, 0.0) / (np.maximum(values, 0.0) + LABEL_RIDGE)
    kept = gain > KEPT
    basis, gain = vectors[:, kept], gain[kept]
    # alpha = basis gamma; the weights basis (gain gamma) meet the smoother once more on their way to the embedding.
    square = (basis * gain**2).T @ kernel_x @ (basis * gain**2)
    gamma, objective = _solve(square, (basis * gain**2).T @ pull, basis * gain, ridge, bound, slack)
    weights = (basis * gain) @ gamma
    coef = basis @ (gamma / (np.maximum(values[kept], 0.0) + LABEL_RIDGE))
    settings = {"bound": bound, "eps": slack, "ridge": ridge, "bandwidth x": float(hx[0]), "bandwidth y": float(hy[0])}
    return OutcomeRatio(SmoothRatio(y, coef, float(hy[0])), weights, settings, {"objective": objective})


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


METHOD = Method(
    verb="target_shift",
    name="kmm",
    estimate=estimate,
    options=TargetKmmOptions,
    summary="kernel mean matching: the mean embedding of the covariates under the weights is the target's",
    citation="Zhang, Schölkopf, Muandet and Wang (2013)",
    guarantee="matches mean embeddings; a baseline",
    vignette="target-shift",
)
