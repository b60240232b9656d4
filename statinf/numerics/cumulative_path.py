"""Elastic net path of cumulative logit models: proximal Newton steps with warm starts.

Minimises loss(theta) + sum_j l1_j |theta_j| + sum_j l2_j theta_j^2 / 2. The quadratic model of a step is minimised by
coordinate descent, finished by a linear solve on the coordinates that are not zero; the step is halved until the
objective, infinite where a probability is not positive, falls enough. The KKT residual certifies a solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.cumulative_logit import CumulativeLogit


@dataclass(frozen=True)
class Penalised:
    """A solution: parameter (d,), KKT residual, steps used and whether the residual is within `tol`."""

    theta: np.ndarray
    residual: float
    steps: int
    converged: bool


def kkt_residual(theta: np.ndarray, slope: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> float:
    """Largest violation of the stationarity conditions."""
    smooth = slope + l2 * theta
    away = np.abs(smooth + l1 * np.sign(theta))
    at_zero = np.maximum(np.abs(smooth) - l1, 0.0)
    return float(np.max(np.where(theta != 0, away, at_zero), initial=0.0))


def solve(
    model: CumulativeLogit,
    start: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    free: np.ndarray,
    *,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> Penalised:
    """Minimise the penalised loss over the coordinates in `free` (indices); the others stay as in `start`."""
    theta = np.array(start, dtype=float)
    l1, l2 = l1[free], l2[free]

    def objective(t: np.ndarray) -> float:
        return model.loss(t) + float(l1 @ np.abs(t[free]) + 0.5 * l2 @ t[free] ** 2)

    value, residual = objective(theta), np.inf
    for step in range(max_iter + 1):
        slope = model.gradient(theta)[free]
        residual = kkt_residual(theta[free], slope, l1, l2)
        if residual <= tol or step == max_iter:
            return Penalised(theta, residual, step, residual <= tol)
        hessian = model.hessian(theta)[np.ix_(free, free)]
        target = minimise_quadratic(theta[free], slope, hessian, l1, l2, 0.01 * tol)
        move = target - theta[free]
        fall = float(slope @ move + l2 @ (theta[free] * move) + l1 @ (np.abs(target) - np.abs(theta[free])))
        size, moved = 1.0, False
        while size > 1e-12:
            trial = theta.copy()
            trial[free] = target if size == 1.0 else theta[free] + size * move
            new = objective(trial)
            # the last steps change the objective by less than its rounding: those are judged by the residual
            if new <= value + 1e-4 * size * fall + 1e-14 * abs(value):
                theta, value, moved = trial, new, True
                break
            size *= 0.5
        if not moved:
            return Penalised(theta, residual, step, False)
    raise AssertionError("unreachable")


def minimise_quadratic(
    start: np.ndarray, slope: np.ndarray, hessian: np.ndarray, l1: np.ndarray, l2: np.ndarray, tol: float
) -> np.ndarray:
    """Minimise slope'(t - start) + (t - start)'H(t - start)/2 + l1'|t| + l2't^2/2 over t."""
    t = start.copy()
    curve = np.diag(hessian) + l2
    ridge = hessian + np.diag(l2)
    moving = np.flatnonzero(np.diag(hessian) > 0)  # a constant column has no curvature and stays where it is
    for _ in range(500):
        rest = slope + hessian @ (t - start)
        for j in moving:
            old = t[j]
            pull = hessian[j, j] * old - rest[j]
            t[j] = np.sign(pull) * max(abs(pull) - l1[j], 0.0) / curve[j]
            if t[j] != old:
                rest += hessian[:, j] * (t[j] - old)
        active = np.array([j for j in moving if t[j] != 0 or l1[j] == 0], dtype=int)
        face = t.copy()
        right = (hessian @ start - slope - l1 * np.sign(t))[active]
        face[active] = np.linalg.lstsq(ridge[np.ix_(active, active)], right, rcond=None)[0]
        if np.all((np.sign(face) == np.sign(t)) | (l1 == 0)):
            t = face
        if kkt_residual(t, slope + hessian @ (t - start), l1, l2) <= tol:
            break
    return t


def largest_penalty(slope: np.ndarray, penalised: np.ndarray, alpha: float) -> float:
    """Smallest penalty at which every penalised coordinate is zero, from the gradient of the fit without them."""
    return float(np.max(np.abs(slope[penalised]), initial=0.0) / max(alpha, 0.01))


def path(
    model: CumulativeLogit,
    penalties: np.ndarray,
    factor: np.ndarray,
    alpha: float,
    free: np.ndarray,
    *,
    start: np.ndarray | None = None,
    tol: float = 1e-9,
    max_iter: int = 100,
) -> list[Penalised]:
    """Solutions along `penalties` (from large to small), each started from the one before.

    Parameters
    ----------
    factor : (d,) array
        Multiplies the penalty of each coordinate; 0 for the intercepts.
    alpha : float
        Share of L1 against squared L2.
    """
    theta, found = model.start() if start is None else start, []
    for penalty in penalties:
        solution = solve(
            model, theta, penalty * alpha * factor, penalty * (1 - alpha) * factor, free, tol=tol, max_iter=max_iter
        )
        theta = solution.theta
        found.append(solution)
    return found
