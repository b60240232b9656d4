"""Newton's method on the smoothed CVaR objective, with the smoothing carried to zero."""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.tails.hinges import TailObjective, smooth_hinge
from statinf.numerics.tails.polish import Vertex, polish

SHRINK = 0.1
"""Factor of the smoothing from one round to the next."""
POLISH_FROM = 1e-4
"""Smoothing, relative to the objective, from which the rows at the threshold may be told from the others."""
LAST = 1e-10
"""Smoothing, relative to the objective, of the last round; the gap is this over 1 - level."""
_ARMIJO = 1e-4
_CENTRED, _NEAR = 1e-4, 0.05
"""Newton decrements, in units of the barrier's weight on one row: a minimum, and where full steps converge."""


def follow_path(
    objective: TailObjective, theta: np.ndarray, a: float, *, eps: float, scale: float, last: float, max_iter: int
) -> tuple[Vertex, int]:
    """Minimise from a start.

    Parameters
    ----------
    objective : TailObjective
    theta : ndarray, shape (p,)
    a : float
    eps : float
        Smoothing to begin with.
    scale : float
        Size of the objective.
    last : float
        Smoothing to end with, relative to `scale`, if no exact solution is found before.
    max_iter : int

    Returns
    -------
    Vertex
        Solution with the derivative of each hinge.
    steps : int

    Raises
    ------
    ConvergenceError
        After `max_iter` Newton steps, with the smoothing reached.
    """
    steps = 0
    while True:
        theta, a, used = _centre(objective, theta, a, eps, max_iter - steps)
        steps += used
        at = _vertex(objective, theta, a, eps)
        if eps <= POLISH_FROM * scale or objective.whole:
            exact = polish(objective, at)
            if exact is not None:
                return exact, steps
        if eps <= last * scale or objective.whole:
            return at, steps
        if steps >= max_iter:
            raise ConvergenceError(
                f"the CVaR was not minimised in max_iter={max_iter} Newton steps: the duality gap is "
                f"{eps * objective.c.sum() / scale:.1e} of the objective; raise max_iter, or use method='spl+'."
            )
        eps = max(eps * SHRINK, last * scale)


def _vertex(objective: TailObjective, theta: np.ndarray, a: float, eps: float) -> Vertex:
    u = objective.loss.pieces(objective.eta(theta), objective.y)[0] - a
    shares = np.ones_like(u) if objective.whole else smooth_hinge(u, eps)[1]
    return Vertex(theta, a, shares, exact=False)


def _centre(
    objective: TailObjective, theta: np.ndarray, a: float, eps: float, most: int
) -> tuple[np.ndarray, float, int]:
    """Newton's method with backtracking at one smoothing, until the decrement is far below the barrier of a row."""
    p = len(theta)
    eta = objective.eta(theta)
    unit = eps * float(objective.c.mean())
    for k in range(max(most, 1)):
        total, gradient, hessian = objective.step(eta, a, eps)
        scaling = 1.0 / np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
        scaled = hessian * scaling * scaling[:, None]
        move = -scaling * _solve(scaled, gradient * scaling)
        decrement = float(-gradient @ move)
        if not np.isfinite(decrement) or decrement <= max(_CENTRED * unit, (np.finfo(float).eps * abs(total)) ** 2):
            return theta, a, k
        along, up = objective.Z @ move[:p], float(move[p]) if objective.threshold else 0.0
        length = 1.0
        if decrement > _NEAR * unit:
            length = _backtrack(
                objective, (eta, a), (along, up), eps, total + 4.0 * np.finfo(float).eps * abs(total), decrement
            )
            if length == 0.0:
                return theta, a, k
        theta, a, eta = theta + length * move[:p], a + length * up, eta + length * along
    return theta, a, most


def _backtrack(
    objective: TailObjective,
    at: tuple[np.ndarray, float],
    move: tuple[np.ndarray, float],
    eps: float,
    total: float,
    decrement: float,
) -> float:
    """Length of a step that lowers the objective enough; zero if rounding hides every fall."""
    length = 1.0
    for _ in range(40):
        with np.errstate(all="ignore"):  # steps that are far too long
            value = objective.value(at[0] + length * move[0], at[1] + length * move[1], eps)
        if value <= total - _ARMIJO * length * decrement:
            return length
        length *= 0.5
    return 0.0


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive semi-definite system with unit diagonal."""
    try:
        return np.linalg.solve(matrix + 1e-14 * np.eye(len(matrix)), right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]
