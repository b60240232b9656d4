"""From an approximate minimum to an exact one: the rows that lie at the threshold, and the equations they satisfy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.tails.hinges import TailObjective

_ROUNDS = 12
_SOLVED = 1e-12
_FEASIBLE = 1e-9


@dataclass(frozen=True, repr=False)
class Vertex(Brief):
    """A solution with its multipliers.

    Attributes
    ----------
    theta : ndarray, shape (p,)
    a : float
    shares : ndarray, shape (k, m)
        Derivative of each hinge, in [0, 1].
    exact : bool
        Whether the optimality conditions were solved to rounding.
    """

    theta: np.ndarray
    a: float
    shares: np.ndarray
    exact: bool


def polish(objective: TailObjective, at: Vertex) -> Vertex | None:
    """Solve the optimality conditions with the hinges in the bend that `at` points to; None if they do not hold.

    Hinges in the bend have l = a and a share in [0, 1]; the others have share 0 below the threshold and 1 above it.
    """
    theta, a, p = at.theta, at.a, len(at.theta)
    u = objective.loss.pieces(objective.eta(theta), objective.y)[0] - a
    size = max(abs(a), float(np.abs(u).mean()), np.finfo(float).tiny)
    bend = np.zeros(u.shape, bool) if objective.whole else np.abs(u) / size < np.minimum(at.shares, 1.0 - at.shares)
    above = (u > 0) & ~bend if not objective.whole else np.ones(u.shape, bool)
    if bend.sum() > 2 * (p + 1):
        return None
    piece, row = np.nonzero(bend)
    shares = np.where(bend, at.shares, above.astype(float))
    for _ in range(_ROUNDS):
        value, slope, curvature = objective.loss.pieces(objective.eta(theta), objective.y)
        residual, jacobian = _conditions(objective, a, shares, (piece, row), value, slope, curvature)
        error = float(np.abs(residual).max()) if len(residual) else 0.0
        if error <= _SOLVED * max(1.0, float(np.abs(slope).max()), size):
            break
        scaling = 1.0 / np.maximum(np.abs(jacobian).max(axis=1), np.finfo(float).tiny)
        move = np.linalg.lstsq(jacobian * scaling[:, None], -residual * scaling, rcond=1e-13)[0]
        if not np.isfinite(move).all():
            return None
        theta = theta + move[:p]
        a = a + float(move[p]) if objective.threshold else a
        shares[piece, row] += move[p + int(objective.threshold) :] / objective.c[row]
    else:
        return None
    u = value - a
    same = np.array_equal((u > 0) & ~bend, above) or objective.whole
    inside = (shares >= -_FEASIBLE).all() and (shares <= 1.0 + _FEASIBLE).all()
    return Vertex(theta, a, np.clip(shares, 0.0, 1.0), exact=True) if same and inside else None


def _conditions(
    objective: TailObjective,
    a: float,
    shares: np.ndarray,
    bend: tuple[np.ndarray, np.ndarray],
    value: np.ndarray,
    slope: np.ndarray,
    curvature: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of stationarity and of the bend, and their Jacobian in (theta, a, weighted shares of the bend)."""
    Z, (piece, row) = objective.Z, bend
    d = shares * objective.c
    p, k, t = Z.shape[1], len(row), int(objective.threshold)
    lead = slope[piece, row][:, None] * Z[row]
    residual = np.concatenate(
        [Z.T @ (d * slope).sum(axis=0), [1.0 - d.sum()] if t else [], value[piece, row] - a * t]
    )
    out = np.zeros((p + t + k, p + t + k))
    curved = (d * curvature).sum(axis=0)
    if curved.any():
        out[:p, :p] = (Z * curved[:, None]).T @ Z
    out[:p, p + t :], out[p + t :, :p] = lead.T, lead
    if t:
        out[p, p + 1 :], out[p + 1 :, p] = -1.0, -1.0
    return residual, out
