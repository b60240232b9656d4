"""Pairs of weights under which two samples agree: a quadratic programme with boxes, a band and a ball.

    minimise  |S'(p b) - T'(q a)|^2 + k sum_i p_i (b_i - b0_i)^2
    over      0 <= b <= bound,  0 <= a <= 1,  |p'b - q'a| <= eps,  sum_j q_j (1 - a_j)^2 <= radius^2

for feature rows S (n, r) and T (t, r) whose products are a kernel matrix. With a multiplier v on the ball and g = 1 - a it
is a ridge programme with bounds and a band in (b, g), whose dual has r variables; the root in v of the ball is found by a
secant in 1 / |g|, which is nearly linear in v. In its optimum b = clip(u, 0, bound) and 1 - a = clip(u / v, 0, 1) of one
function u of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError
from statinf.numerics.programs.band_qp import solve_band_qp

_ROOT = 1e-12
_ROUNDS = 60


@dataclass(frozen=True, repr=False)
class PairedRows(Brief):
    """The programme's rows.

    Attributes
    ----------
    first, second : ndarray, shape (n, r) and (t, r)
        Feature rows S and T.
    p, q : ndarray, shape (n,) and (t,)
        Masses, each with sum one.
    """

    first: np.ndarray
    second: np.ndarray
    p: np.ndarray
    q: np.ndarray


@dataclass(frozen=True, repr=False)
class PairedSolution(Brief):
    """An optimum.

    Attributes
    ----------
    beta, alpha : ndarray, shape (n,) and (t,)
    shift : float
        Multiplier of the band over k: b is clip(u) of u less this.
    ball : float
        Multiplier of the ball over k; infinite where a is one throughout, zero where the ball is not met.
    discrepancy : float
        ``|S'(p b) - T'(q a)|^2``.
    """

    beta: np.ndarray
    alpha: np.ndarray
    shift: float
    ball: float
    discrepancy: float


def solve_paired(
    rows: PairedRows,
    ridge: float,
    bound: float,
    eps: float,
    radius: float,
    *,
    around: np.ndarray | None = None,
    start: PairedSolution | None = None,
    tol: float = 1e-11,
) -> PairedSolution:
    """Solve the programme.

    Parameters
    ----------
    rows : PairedRows
    ridge : float
        k, positive.
    bound, eps : float
    radius : float
        Between 0, which leaves a = 1, and below 1.
    around : ndarray, shape (n,), optional
        b0; zeros by default.
    start : PairedSolution, optional
        A solution nearby, for another radius or ridge.
    tol : float

    Raises
    ------
    ConvergenceError
        If the ball is not met to rounding.
    """
    if radius <= 0.0:
        return _with_ball(rows, ridge, bound, eps, np.inf, around, start, tol)
    if start is None or not 0.0 < start.ball < np.inf:
        start = _with_ball(rows, ridge, bound, eps, np.inf, around, start, tol)
        pull = rows.second @ _gap(rows, start.beta, start.alpha) / -ridge
        ball = float(np.sqrt(rows.q @ np.maximum(pull - start.shift, 0.0) ** 2)) / radius
        if ball == 0.0:
            return start
    else:
        ball = start.ball
    return _root(rows, ridge, bound, eps, radius, around, start, ball, tol)


def _root(
    rows: PairedRows,
    ridge: float,
    bound: float,
    eps: float,
    radius: float,
    around: np.ndarray | None,
    start: PairedSolution,
    ball: float,
    tol: float,
) -> PairedSolution:
    """Secant steps in 1 / |1 - a| over the ball's multiplier, kept inside a bracket."""
    low, high = 0.0, np.inf
    before: tuple[float, float] | None = None
    found = start
    for _ in range(_ROUNDS):
        found = _with_ball(rows, ridge, bound, eps, ball, around, found, tol)
        length = float(np.sqrt(rows.q @ (1.0 - found.alpha) ** 2))
        gap = radius / length - 1.0 if length > 0 else np.inf
        if abs(gap) <= max(_ROOT, 0.1 * tol):
            return found
        low, high = (ball, high) if gap < 0 else (low, ball)
        if high < np.inf and high - low <= 4.0 * np.finfo(float).eps * high:
            return found
        step = ball / (1.0 + gap) if before is None else np.nan  # |1 - a| falls like one over the multiplier
        if before is not None and gap != before[1]:
            step = ball - gap * (ball - before[0]) / (gap - before[1])
        if not max(low, 0.02 * ball) < step < min(high, 50.0 * ball):
            step = 4.0 * ball if np.isinf(high) else np.sqrt(low * high) if low > 0 else 0.1 * ball
        before, ball = (ball, gap), float(step)
        if ball < 1e-14 * float(np.finfo(float).eps):
            return found
    if abs(gap) > 1e-8:
        raise ConvergenceError(
            f"the double weights were not found: their distance from one misses the radius by {abs(gap):.1e} of it."
        )
    return found


def _gap(rows: PairedRows, beta: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return rows.first.T @ (rows.p * beta) - rows.second.T @ (rows.q * alpha)


def _with_ball(
    rows: PairedRows,
    ridge: float,
    bound: float,
    eps: float,
    ball: float,
    around: np.ndarray | None,
    start: PairedSolution | None,
    tol: float,
) -> PairedSolution:
    """The optimum with the ball's multiplier given; infinite for a = 1."""
    n, unit = len(rows.p), 1.0 / np.sqrt(ridge)
    root = np.sqrt(rows.p)
    factor, upper, coefficients = rows.first * (unit * root)[:, None], bound * root, root
    if ball < np.inf:
        other = np.sqrt(rows.q / ball)
        factor = np.vstack([factor, rows.second * (unit * other)[:, None]])
        upper = np.append(upper, np.sqrt(ball * rows.q))
        coefficients = np.append(coefficients, other)
    linear = factor @ (unit * (rows.second.T @ rows.q))
    if around is not None:
        linear[:n] += root * around
    guess = None
    if start is not None:
        guess = root * start.beta
        if ball < np.inf:
            guess = np.append(guess, np.sqrt(ball * rows.q) * (1.0 - start.alpha))
    band = (1.0 - eps, 1.0 + eps)
    solved = solve_band_qp(factor, linear, 1.0, upper, coefficients, band, start=guess, tolerance=tol)
    beta = solved.values[:n] / root
    alpha = np.ones(len(rows.q))
    if ball < np.inf:
        alpha = np.maximum(1.0 - solved.values[n:] / np.sqrt(ball * rows.q), 0.0)
    gap = _gap(rows, beta, alpha)
    return PairedSolution(beta, alpha, solved.multiplier, ball, float(gap @ gap))


def solve_second(rows: PairedRows, ridge: float, eps: float, around: np.ndarray | None = None) -> PairedSolution:
    """With b = 1 throughout: a alone, with the ridge k sum_j q_j (a_j - a0_j)^2 and no ball."""
    root, unit = np.sqrt(rows.q), 1.0 / np.sqrt(ridge)
    factor = rows.second * (unit * root)[:, None]
    linear = factor @ (unit * (rows.first.T @ rows.p)) + (0.0 if around is None else root * around)
    band = (1.0 - eps, 1.0 + eps)
    solved = solve_band_qp(factor, linear, 1.0, root, root, band)
    beta, alpha = np.ones(len(rows.p)), np.clip(solved.values / root, 0.0, 1.0)
    gap = _gap(rows, beta, alpha)
    # The function that gives a is minus the one that gives b.
    return PairedSolution(beta, alpha, -solved.multiplier, 0.0, float(gap @ gap))
