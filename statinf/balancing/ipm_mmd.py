"""Balancing by the maximum mean discrepancy: its program with a ridge, and its minimum over exponential tilts.

The kernel enters as a low-rank factor, exact to `_FACTOR_TOL`, so that the discrepancy is the distance of two means of features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.backend import one_blas_thread
from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem, Task, other_part, tasks
from statinf.balancing.solution import BalanceSolution, Linear, merge, side_by_side
from statinf.errors import DataError
from statinf.numerics.kernels.distances import gaussian, squared_distances
from statinf.numerics.kernels.lowrank import dense_pivoted_cholesky, pivoted_cholesky
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.numerics.tilting.ridge_dual import match_features

_FACTOR_TOL = 1e-11
_DENSE = 700
"""Rows up to which the whole kernel is formed."""
_SMALL = 2000
"""Rows up to which products are too small for a second thread."""
MAX_BYTES = 3e9
"""Memory that the kernel factor may take."""


def solve_mmd(
    standard: BalanceProblem, *, form: str, width: float | str | None, ridge: float, tol: float, max_iter: int
) -> BalanceSolution:
    """Weights of every arm; columns come standardised."""
    with one_blas_thread(standard.n <= _SMALL):
        return _solve(standard, form, bandwidth_of(standard, width), ridge, tol, max_iter)


def _solve(
    standard: BalanceProblem, form: str, width: float, ridge: float, tol: float, max_iter: int
) -> BalanceSolution:
    factor = kernel_factor(standard.x, width)
    todo = tasks(standard)
    fit = _exact if form == "nonparametric" else _parametric
    found = [fit(standard, task, factor, width, ridge, tol, max_iter) for task in todo]
    values = merge(standard, {f.task.arm: f.v for f in found}, {f.task.arm: f.task.index for f in found})
    s = standard.s
    before = [discrepancy(factor, task, s[task.index] / s[task.index].sum()) for task in todo]
    after = [discrepancy(factor, f.task, f.v) for f in found]
    details = {"bandwidth": width, "mmd_before": before, "mmd": after, "rank": factor.shape[1]}
    return BalanceSolution(
        values,
        lambda: side_by_side([f.linear(values[f.task.index].sum()) for f in found]),
        iterations=max(f.iterations for f in found),
        residual=max(f.residual for f in found),
        details=details,
    )


@dataclass(frozen=True)
class _Arm:
    """One arm's solution; `linear(total)` expands the weights scaled to sum to `total`."""

    task: Task
    v: np.ndarray
    iterations: int
    residual: float
    linear: Callable[[float], Linear]


def discrepancy(factor: np.ndarray, task: Task, v: np.ndarray) -> float:
    """Maximum mean discrepancy between the weighted arm and its target."""
    return float(np.linalg.norm(v @ factor[task.index] - task.target @ factor))


def bandwidth_of(problem: BalanceProblem, bandwidth: float | str | None) -> float:
    """Bandwidth of the Gaussian kernel on standardised columns."""
    p = problem.x.shape[1]
    if bandwidth is None:
        return 10.0 * np.sqrt(max(p, 4) / 4.0)
    if bandwidth == "median":
        some = problem.x[:: max(1, problem.n // 2000)]
        return float(np.sqrt(np.median(squared_distances(some, some)[np.triu_indices(len(some), 1)])))
    return float(bandwidth)


def kernel_factor(x: np.ndarray, width: float) -> np.ndarray:
    """Features (n, r) whose inner products are the kernel."""
    n = len(x)
    if n <= _DENSE:
        return dense_pivoted_cholesky(gaussian(x, x, 2.0 * width**2), tol=_FACTOR_TOL)

    def columns(at: np.ndarray) -> np.ndarray:
        return gaussian(x, x[at], 2.0 * width**2)

    factor = pivoted_cholesky(columns, np.ones(n), tol=_FACTOR_TOL, max_rank=min(n, int(MAX_BYTES / (8 * n))))
    if factor is None:
        raise DataError(
            f"method='ipm' on {n} rows and {x.shape[1]} columns needs more than {MAX_BYTES / 1e9:g} GB for its kernel. Use fewer "
            "columns, a larger bandwidth, method='kernel' (which takes landmarks), or method='entropy' with more moments."
        )
    return factor


def _exact(
    problem: BalanceProblem, task: Task, factor: np.ndarray, width: float, ridge: float, tol: float, max_iter: int
) -> _Arm:
    """``min width^2 |sum v phi - target|^2 + sum ridge_i v_i^2`` over probability vectors."""
    rows, g2 = task.index, width**2
    share = problem.s[rows] / problem.s[rows].sum()
    use = share > 0
    kept = Task(task.arm, rows[use], task.target)
    rows, share = rows[use], share[use]
    # Scaled so that a row of weight two acts like two rows.
    price = ridge / (share * len(share))
    phi, centre = factor[rows], task.target @ factor
    found = match_features(phi, centre, price, g2, tol=tol, max_iter=max_iter)
    if not found.converged:
        left = f"a residual of {found.residual:.2g}"
        raise stopped("ipm", left, found.iterations, max_iter, f"raise ridge= (now {ridge:g})")

    def expand(total: float) -> Linear:
        return _expand_penalised(problem, kept, factor, found.v, found.free / price, g2, total)

    return _Arm(kept, found.v, found.iterations, found.residual, expand)


def _expand_penalised(
    problem: BalanceProblem, task: Task, factor: np.ndarray, v: np.ndarray, slope: np.ndarray, g2: float, total: float
) -> Linear:
    """Expansion of ``v_i = max(0, nu + phi_i' theta) slope_i`` with ``theta = -g2 (sum v phi - target mean)``."""
    rows = task.index
    mean_v, mean_target = v @ factor[rows], task.target @ factor
    z = np.column_stack([np.ones(len(rows)), factor[rows] - mean_v])
    bread = (z * slope[:, None]).T @ z
    bread[np.diag_indices_from(bread)] += np.r_[0.0, np.full(factor.shape[1], 1.0 / g2)]
    psi = np.zeros((problem.n, factor.shape[1] + 1))
    psi[:, 1:] = -task.target[:, None] * (factor - mean_target)
    psi[rows, 0] += v - problem.s[rows] / problem.s[rows].sum()
    psi[rows, 1:] += v[:, None] * z[:, 1:]
    inverse = symmetric_inverse(bread)
    derivative = np.zeros_like(psi)
    derivative[rows] = total * z * slope[:, None]
    leverage = np.zeros(problem.n)
    leverage[rows] = quadratic_forms(z, inverse) * slope
    return Linear(derivative, -psi @ inverse, leverage)


def _parametric(
    problem: BalanceProblem, task: Task, factor: np.ndarray, width: float, ridge: float, tol: float, max_iter: int
) -> _Arm:
    """``min MMD^2`` over weights proportional to ``s_i exp(x_i' theta)``, beside the rows' own mass in the target."""
    rows, g2 = task.index, width**2
    others, own = other_part(task)
    x, s, phi, centre = problem.x[rows], problem.s[rows], factor[rows], others.target @ factor

    def weigh(theta: np.ndarray) -> np.ndarray:
        eta = x @ theta
        w = s * np.exp(eta - eta.max())
        return w / w.sum()

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        w = weigh(theta)
        gap = w @ phi - centre
        g = 2.0 * g2 * (phi @ gap)
        return float(g2 * gap @ gap), x.T @ (w * (g - w @ g))

    from scipy.optimize import minimize

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": max_iter})
    q = weigh(found.x)
    residual = float(np.max(np.abs(found.jac)))
    if residual > 1e-5:
        advice = "balance fewer columns, or use form='nonparametric'"
        raise stopped("ipm", f"a gradient of {residual:.2g}", int(found.nit), max_iter, advice)

    def expand(total: float) -> Linear:
        return _expand_parametric(problem, others, factor, q, own.sum(), g2, total)

    return _Arm(task, own + (1.0 - own.sum()) * q, int(found.nfev), residual, expand)


def _expand_parametric(
    problem: BalanceProblem, task: Task, factor: np.ndarray, q: np.ndarray, own: float, g2: float, total: float
) -> Linear:
    """Expansion through the first-order condition ``Cov_q(x, g) = 0``, g the witness function."""
    rows = task.index
    phi, x = factor[rows], problem.x[rows] - q @ problem.x[rows]
    mean_q, mean_target = q @ phi, task.target @ factor
    g = 2.0 * g2 * (phi @ (mean_q - mean_target))
    g = g - q @ g
    cross = (x * q[:, None]).T @ (phi - mean_q)
    hessian = (x * (q * g)[:, None]).T @ x + 2.0 * g2 * cross @ cross.T
    psi = -2.0 * g2 * task.target[:, None] * ((factor - mean_target) @ cross.T)
    psi[rows] += q[:, None] * (x * g[:, None] + 2.0 * g2 * ((phi - mean_q) @ cross.T))
    influence = -psi @ symmetric_inverse(hessian)
    derivative = np.zeros_like(psi)
    derivative[rows] = total * (1.0 - own) * q[:, None] * x
    if (
        own > 0.0
    ):  # how much the tilted mass weighs beside the rows' own: the other arm's sum over that of s exp(x' theta)
        tilted, ratio = np.zeros(problem.n), task.target.copy()
        tilted[rows] = total * (1.0 - own) * q
        ratio[rows] -= q
        derivative, influence = np.column_stack([derivative, tilted]), np.column_stack([influence, ratio])
    return Linear(derivative, influence, np.zeros(problem.n))
