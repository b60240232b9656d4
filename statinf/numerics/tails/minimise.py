"""Regressions that minimise the CVaR of their losses, with a duality gap.

Rows far below the threshold have no part in the optimum. With many rows the solution on a fraction of them tells
which are near the threshold or above; the programme is solved on those, and rows that turn out to lie above the threshold
join them until there are none. The gap is that of all rows: at multipliers d with sum d = 1 and 0 <= d <= c, the sum of d l
is below the CVaR of every coefficient vector at which it is stationary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError
from statinf.numerics.tails.hinges import TailObjective
from statinf.numerics.tails.losses import Loss
from statinf.numerics.tails.path import LAST, follow_path
from statinf.numerics.tails.polish import Vertex
from statinf.numerics.tails.risk import tail_mean, value_at_risk

FEW = 3000
"""Rows on which the programme is solved as it stands."""
_PILOT = 4
_WIDE = 2.0
_EXACT = 1e-13


@dataclass(frozen=True, repr=False)
class TailSolution(Brief):
    """A regression that minimises the CVaR of its losses.

    Attributes
    ----------
    theta : ndarray, shape (p,)
    var, cvar : float
        Threshold and objective.
    shares : ndarray, shape (n,)
        Part of each row that belongs to the worst share.
    slopes : ndarray, shape (n,)
        Sum over pieces of share times slope.
    gap : float
        By how much the objective may exceed the minimum, at most.
    steps : int
        Newton steps.
    exact : bool
        Whether the optimality conditions were solved to rounding.
    """

    theta: np.ndarray
    var: float
    cvar: float
    shares: np.ndarray
    slopes: np.ndarray
    gap: float
    steps: int
    exact: bool


def minimise_cvar(
    Z: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    level: float,
    loss: Loss,
    *,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tol: float = 1e-8,
    max_iter: int = 200,
) -> TailSolution:
    """Minimise the CVaR of the losses over the coefficients.

    Equal rows are one row with their weight: apart they would tie at the threshold, more of them than a vertex has.

    Parameters
    ----------
    Z : ndarray, shape (n, p)
        Of full column rank, centred and scaled.
    y, w : ndarray, shape (n,)
        Weights are positive and sum to one.
    level : float
        In [0, 1).
    loss : Loss
    offset : ndarray, shape (n,), optional
        Added to the predictor.
    start : ndarray, shape (p,), optional
        Zeros by default.
    tol : float
        Largest duality gap, relative to the objective.
    max_iter : int
        Most Newton steps.

    Raises
    ------
    ConvergenceError
        If the gap stays above the tolerance.
    """
    offset = np.zeros(len(y)) if offset is None else offset
    theta = np.zeros(Z.shape[1]) if start is None else start
    first, number = _distinct(np.column_stack([y, offset, Z]))
    if len(first) == len(y):
        return _minimised(Z, y, w, offset, level, loss, theta, tol, max_iter)
    weight = np.bincount(number, w)
    found = _minimised(Z[first], y[first], weight, offset[first], level, loss, theta, tol, max_iter)
    return replace(found, shares=found.shares[number], slopes=found.slopes[number])


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row (n, p) that differs from the others first stands, and the number (n,) of each row among them."""
    # Rows are told apart by one number each, and compared where it is the same.
    mark = (rows * np.sqrt(np.arange(2.0, 2.0 + rows.shape[1]))).sum(axis=1)
    _, first, number = np.unique(mark, return_index=True, return_inverse=True)
    if len(first) < len(rows) and not np.array_equal(rows, rows[first[number]]):
        _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, number


def _minimised(
    Z: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    offset: np.ndarray,
    level: float,
    loss: Loss,
    theta: np.ndarray,
    tol: float,
    max_iter: int,
) -> TailSolution:
    """The same on rows that are told apart."""
    whole = TailObjective(Z, y, offset, w / (1.0 - level), loss, threshold=level > 0)
    worst = float(np.abs(loss.values(whole.eta(theta), y)).max())
    if worst <= _EXACT * max(1.0, float(np.abs(y).max())):
        return _exact_fit(whole, theta)
    kept = None
    if len(y) > FEW and level > 0:
        theta, kept = _pilot(whole, theta, level, tol, max_iter)
    steps, warm = 0, kept is not None
    while True:
        part = whole if kept is None else _rows(whole, np.flatnonzero(kept))
        vertex, used = _solve(part, theta, level, max_iter, warm=warm)
        steps += used
        theta, warm = vertex.theta, True
        if kept is None:
            break
        missed = ~kept & (loss.values(whole.eta(theta), y) > vertex.a)
        if not missed.any():
            break
        kept |= missed | (loss.values(whole.eta(theta), y) > _margin(vertex.a, whole, theta, level))
    shares = vertex.shares
    if kept is not None:
        shares = np.zeros((len(vertex.shares), len(y)))
        shares[:, kept] = vertex.shares
    found = _certified(whole, replace(vertex, shares=shares), level, steps)
    if not found.gap <= tol * max(abs(found.cvar), _EXACT):
        raise ConvergenceError(
            f"the CVaR of the {loss.name} loss was not minimised: the duality gap is {found.gap / abs(found.cvar):.1e} of the "
            f"objective after {steps} Newton steps, above tol={tol:g}. The loss must be convex and twice differentiable in "
            "the prediction; use method='spl+' otherwise."
        )
    return found


def _rows(objective: TailObjective, rows: np.ndarray) -> TailObjective:
    return replace(
        objective,
        Z=objective.Z[rows],
        y=objective.y[rows],
        offset=objective.offset[rows],
        c=objective.c[rows],
    )


def _pilot(
    whole: TailObjective, theta: np.ndarray, level: float, tol: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """A solution on every fourth row, and the rows near its threshold or above it; None where these are most rows."""
    if _WIDE * (1.0 - level) > 0.6:
        return theta, None
    some = _rows(whole, np.arange(0, len(whole.y), _PILOT))
    total = float(some.c.sum()) * (1.0 - level)
    if (1.0 - level) * len(some.y) < 5 * len(theta):
        return theta, None
    some = replace(some, c=some.c / total)
    kept = None
    if len(some.y) > FEW:
        theta, kept = _pilot(some, theta, level, tol, max_iter)
    part = some if kept is None else _rows(some, np.flatnonzero(kept))
    theta = _solve(part, theta, level, max_iter, warm=kept is not None, last=1e-4)[0].theta
    values = whole.loss.values(whole.eta(theta), whole.y)
    return theta, values >= np.quantile(values, 1.0 - _WIDE * (1.0 - level))


def _margin(a: float, whole: TailObjective, theta: np.ndarray, level: float) -> float:
    """A loss below which rows stay out, somewhat below the threshold."""
    values = whole.loss.values(whole.eta(theta), whole.y)
    return min(a, float(np.quantile(values, 1.0 - _WIDE * (1.0 - level))))


def _solve(
    part: TailObjective, theta: np.ndarray, level: float, max_iter: int, *, warm: bool, last: float = LAST
) -> tuple[Vertex, int]:
    values = part.loss.values(part.eta(theta), part.y)
    c = part.c * (1.0 - level)
    # Rows left out are below the threshold: they count in the share of weight below it.
    below = max(0.0, 1.0 - float(c.sum()))
    inner = np.clip((level - below) / max(1.0 - below, np.finfo(float).tiny), 0.0, 1.0 - 1e-12)
    a = value_at_risk(values, c / c.sum(), inner) if part.threshold else 0.0
    tail = float(part.c @ np.maximum(values - a, 0.0))
    scale = max(abs(a + tail), np.finfo(float).tiny)
    begin = 0.003 * scale if warm else max(float(np.abs(values - a).mean()), scale) * 0.1
    return follow_path(part, theta, a, eps=begin, scale=scale, last=last, max_iter=max_iter)


def _certified(whole: TailObjective, vertex: Vertex, level: float, steps: int) -> TailSolution:
    value, slope, _ = whole.loss.pieces(whole.eta(vertex.theta), whole.y)
    losses, d = value.max(axis=0), vertex.shares * whole.c
    var, cvar = tail_mean(losses, whole.c * (1.0 - level), level)
    slopes = (vertex.shares * slope).sum(axis=0)
    stationarity = float(np.abs(whole.Z.T @ (d * slope).sum(axis=0)).max(initial=0.0))
    idle = abs(1.0 - float(d.sum())) * abs(vertex.a) if whole.threshold else 0.0
    gap = cvar - float((d * value).sum()) + stationarity * float(np.abs(vertex.theta).sum() + 1.0) + idle
    shares = np.minimum(vertex.shares.sum(axis=0), 1.0)
    return TailSolution(vertex.theta, var, cvar, shares, slopes, max(gap, 0.0), steps, vertex.exact)


def _exact_fit(whole: TailObjective, theta: np.ndarray) -> TailSolution:
    nothing = np.zeros(len(whole.y))
    return TailSolution(theta, 0.0, 0.0, nothing, nothing, 0.0, 0, True)
