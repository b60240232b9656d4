"""From an approximate minimum to an exact one: the rows that lie at the threshold, and the equations they satisfy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.numerics.tails.hinges import TailObjective

_ROUNDS, _SETS, _DOUBTS = 12, 8, 3
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

    Hinges in the bend have l = a and a share in [0, 1]; the others have share 0 below the threshold and 1 above it. A hinge
    whose share leaves the range leaves the bend; one that comes to lie on the other side of the threshold enters it.
    """
    u = objective.loss.pieces(objective.eta(at.theta), objective.y)[0] - at.a
    size = max(abs(at.a), float(np.abs(u).mean()), np.finfo(float).tiny)
    if objective.whole:
        return _settle(objective, at, np.zeros(u.shape, bool), np.ones(u.shape, bool), size)
    nearest = np.minimum(at.shares, 1.0 - at.shares)
    bend = np.abs(u) / size < nearest
    with np.errstate(divide="ignore"):
        doubt = np.where(bend, np.abs(u) / nearest**2, np.inf)
    most = len(at.theta) + int(objective.threshold)
    few = bend
    if bend.sum() > most:  # no more hinges than parameters, unless losses are tied
        few = bend & (doubt <= np.partition(doubt.ravel(), most - 1)[most - 1])
    for _ in range(_DOUBTS):
        found = _settle(objective, at, few, (u > 0) & ~few, size)
        if found is not None:
            return found
        if not few.any():
            break
        few = few & (doubt < doubt[few].max())
    return _settle(objective, at, bend, (u > 0) & ~bend, size)


def _settle(objective: TailObjective, at: Vertex, bend: np.ndarray, above: np.ndarray, size: float) -> Vertex | None:
    """Move hinges in and out of the bend until the conditions hold; None if they never do."""
    for _ in range(_SETS):
        found = _solve(objective, at, bend, above, size)
        if found is None:
            return None
        solved, u = found
        crossed = ~bend & ((u > 0) != above) & (np.abs(u) > _SOLVED * size) & (not objective.whole)
        low, high = bend & (solved.shares < -_FEASIBLE), bend & (solved.shares > 1.0 + _FEASIBLE)
        if not (crossed.any() or low.any() or high.any()):
            return replace(solved, shares=np.clip(solved.shares, 0.0, 1.0))
        above = (above & ~crossed) | high
        bend = (bend & ~low & ~high) | crossed
    return None


def _solve(
    objective: TailObjective, at: Vertex, bend: np.ndarray, above: np.ndarray, size: float
) -> tuple[Vertex, np.ndarray] | None:
    """Newton's method on the conditions with a given bend; the solution and losses less threshold, or None."""
    theta, a, p, t = at.theta, at.a, len(at.theta), int(objective.threshold)
    piece, row = np.nonzero(bend)
    shares = np.where(bend, at.shares, above.astype(float))
    last = np.inf
    for k in range(_ROUNDS):
        value, slope, curvature = objective.loss.pieces(objective.eta(theta), objective.y)
        system = _conditions(objective, a, shares, (piece, row), value, slope, curvature)
        error = max((float(np.abs(part).max()) for part in system.residuals if len(part)), default=0.0)
        if error <= _SOLVED * max(1.0, float(np.abs(slope).max()), size):
            return Vertex(theta, a, shares, exact=True), value - a
        if k > 2 and not error < 0.5 * last:
            return None
        last = error
        move = system.step(objective.c[row] * np.minimum(at.shares, 1.0 - at.shares)[piece, row])
        if not np.isfinite(move).all():
            return None
        theta, a = theta + move[:p], a + float(move[p]) if t else a
        shares[piece, row] += move[p + t :] / objective.c[row]
    return None


@dataclass(frozen=True, repr=False)
class Conditions(Brief):
    """Optimality conditions and their derivatives.

    Attributes
    ----------
    stationarity : ndarray, shape (q,)
        Gradient in the coefficients, and the threshold where there is one.
    equality : ndarray, shape (k,)
        Loss less threshold of each hinge in the bend.
    curvature : ndarray, shape (q, q)
    bend : ndarray, shape (k, q)
        Gradients of `equality`.
    """

    stationarity: np.ndarray
    equality: np.ndarray
    curvature: np.ndarray
    bend: np.ndarray

    @property
    def residuals(self) -> tuple[np.ndarray, np.ndarray]:
        return self.stationarity, self.equality

    def step(self, room: np.ndarray) -> np.ndarray:
        """Newton step of parameters and weighted shares, shape (q + k,).

        With as many hinges in the bend as parameters or more, these settle the parameters, and of the shares that balance
        the gradient those nearest to the present ones are taken, in units of `room`, how far each is from its bounds.
        """
        k, q = self.bend.shape
        if k < q:
            top = np.hstack([self.curvature, self.bend.T])
            matrix = np.vstack([top, np.hstack([self.bend, np.zeros((k, k))])])
            scaling = 1.0 / np.maximum(np.abs(matrix).max(axis=1), np.finfo(float).tiny)
            right = -np.concatenate(self.residuals) * scaling
            return np.linalg.lstsq(matrix * scaling[:, None], right, rcond=1e-13)[0]
        move = np.linalg.lstsq(self.bend, -self.equality, rcond=1e-13)[0]
        room = np.maximum(room, np.finfo(float).eps * room.max())
        room = room / room.max()
        right = -(self.stationarity + self.curvature @ move)
        return np.concatenate([move, room * np.linalg.lstsq(self.bend.T * room, right, rcond=1e-13)[0]])


def _conditions(
    objective: TailObjective,
    a: float,
    shares: np.ndarray,
    bend: tuple[np.ndarray, np.ndarray],
    value: np.ndarray,
    slope: np.ndarray,
    curvature: np.ndarray,
) -> Conditions:
    Z, (piece, row) = objective.Z, bend
    d, t = shares * objective.c, int(objective.threshold)
    p = Z.shape[1]
    stationarity = np.append(Z.T @ (d * slope).sum(axis=0), [1.0 - d.sum()] * t)
    lead = np.hstack([slope[piece, row][:, None] * Z[row], np.full((len(row), t), -1.0)])
    out = np.zeros((p + t, p + t))
    curved = (d * curvature).sum(axis=0)
    if curved.any():
        out[:p, :p] = (Z * curved[:, None]).T @ Z
    return Conditions(stationarity, value[piece, row] - a * t, out, lead)
