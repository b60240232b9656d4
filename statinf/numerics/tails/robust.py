"""Regressions of least worst-case loss over a ball of laws, by Newton's method on the exact worst case.

The worst-case loss of a convex loss is convex in the coefficients. Over chi-square and Kullback-Leibler balls its value,
gradient and Hessian are those of `balls`. Over Wasserstein balls that move the regressors it is the loss plus a norm of the
slopes (Shafieezadeh-Abadeh, Kuhn and Mohajerin Esfahani 2019; Blanchet, Kang and Murthy 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError
from statinf.numerics.tails.balls import WORST, BallSystem, ball_hessian, ball_system
from statinf.numerics.tails.losses import Loss

_ARMIJO = 1e-4
_ROUNDING, _LAST = 1e-26, 1e-16
_CLOSE = 1e-13
"""Newton decrement, relative to the objective, that is a minimum to rounding where no step lowers the objective."""
_CORNER = 1e-9

RobustObjective = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]
"""From coefficients to value, gradient and Hessian."""


@dataclass(frozen=True, repr=False)
class RobustRows(Brief):
    """Rows of a robust regression.

    Attributes
    ----------
    Z : ndarray, shape (n, p)
        Of full column rank, centred and scaled.
    y, offset, w : ndarray, shape (n,)
        Weights are positive and sum to one.
    loss : Loss
        Smooth.
    norm : ndarray, shape (k, p)
        Slopes whose Euclidean norm a Wasserstein ball penalises, from coefficients.
    variances : ndarray, shape (n, k), optional
        Influence of each row on the columns' variances, relative to them, where slopes are in standard deviations.
    """

    Z: np.ndarray
    y: np.ndarray
    offset: np.ndarray
    w: np.ndarray
    loss: Loss
    norm: np.ndarray
    variances: np.ndarray | None = None

    def terms(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses, slopes and curvatures of the rows, shape (n,) each."""
        return self.loss.slopes(self.Z @ theta + self.offset, self.y)


@dataclass(frozen=True, repr=False)
class RobustSolution(Brief):
    """A minimum.

    Attributes
    ----------
    theta : ndarray, shape (p,)
    value : float
        Worst-case loss.
    steps : int
    """

    theta: np.ndarray
    value: float
    steps: int


def ball_pieces(rows: RobustRows, ball: str, radius: float) -> RobustObjective:
    """Worst-case loss over a chi-square or Kullback-Leibler ball."""

    def pieces(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        terms = rows.terms(theta)
        worst = WORST[ball](terms[0], rows.w, radius)
        hessian = ball_hessian(ball, rows.Z, terms, rows.w, worst)
        return worst.value, rows.Z.T @ (worst.law * terms[1]), hessian

    return pieces


def moving_pieces(rows: RobustRows, radius: float) -> RobustObjective:
    """Worst-case loss over a Wasserstein ball; for squares the root of twice the loss, in which the penalty is a sum."""
    squared = rows.loss.name == "squared"

    def pieces(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        losses, slope, curvature = rows.terms(theta)
        value = float(rows.w @ losses)
        gradient = rows.Z.T @ (rows.w * slope)
        hessian = (rows.Z * (rows.w * curvature)[:, None]).T @ rows.Z
        if squared:
            root = np.sqrt(2.0 * value)
            gradient, value = gradient / root, root
            hessian = hessian / root - np.outer(gradient, gradient) / root
        slopes = rows.norm @ theta
        length = float(np.sqrt(slopes @ slopes))
        along = rows.norm.T @ slopes / length
        bent = (rows.norm.T @ rows.norm - np.outer(along, along)) / length
        return value + radius * length, gradient + radius * along, hessian + radius * bent

    return pieces


def minimise(pieces: RobustObjective, theta: np.ndarray, max_iter: int, zero: float = np.inf) -> RobustSolution:
    """Newton's method with backtracking on a convex objective.

    Parameters
    ----------
    pieces : callable
    theta : ndarray, shape (p,)
        Start.
    max_iter : int
    zero : float
        Objective at zeros, where it may have a corner: they are the solution where steps end at its height.

    Raises
    ------
    ConvergenceError
        If the decrement stays above rounding.
    """
    value, gradient, hessian = pieces(theta)
    for step in range(max_iter):
        move = -_solve(hessian, gradient)
        decrement = float(-gradient @ move)
        if not decrement > _ROUNDING * max(abs(value), 1e-300):
            return _cornered(theta, value, step, zero)
        if decrement <= _LAST * abs(value):  # one more step, unless rounding is all that is left
            fresh = pieces(theta + move)
            if np.abs(fresh[1]).max() < np.abs(gradient).max():
                theta, value = theta + move, fresh[0]
            return _cornered(theta, value, step, zero)
        length = 1.0
        while True:
            with np.errstate(all="ignore"):
                fresh = pieces(theta + length * move)
            # Near the minimum the value is flat to rounding, and a smaller gradient decides.
            flat = abs(fresh[0] - value) <= 1e-14 * abs(value) and np.abs(fresh[1]).max() < np.abs(gradient).max()
            if fresh[0] <= value - _ARMIJO * length * decrement or flat:
                break
            length *= 0.5
            if length < 1e-9:
                if decrement <= _CLOSE * abs(value) or abs(value - zero) <= _CORNER * abs(value):
                    return _cornered(theta, value, step, zero)
                raise ConvergenceError(
                    f"the worst-case loss was not minimised: no step lowers it at a Newton decrement of {decrement:.1e}."
                )
        theta, (value, gradient, hessian) = theta + length * move, fresh
    if decrement <= _CLOSE * abs(value):
        return _cornered(theta, value, max_iter, zero)
    raise ConvergenceError(
        f"the worst-case loss was not minimised in max_iter={max_iter} Newton steps (decrement {decrement:.1e}); raise max_iter."
    )


def _cornered(theta: np.ndarray, value: float, steps: int, zero: float) -> RobustSolution:
    if value >= zero * (1.0 - _CORNER):
        return RobustSolution(np.zeros_like(theta), zero, steps)
    return RobustSolution(theta, value, steps)


def _solve(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    scale = 1.0 / np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
    scaled = hessian * scale * scale[:, None]
    ridge = 1e-14 * np.eye(len(scaled))
    try:
        return scale * np.linalg.solve(scaled + ridge, gradient * scale)
    except np.linalg.LinAlgError:
        return scale * np.linalg.lstsq(scaled, gradient * scale, rcond=None)[0]


def without_slopes(rows: RobustRows, radius: float, theta: np.ndarray) -> bool:
    """Whether coefficients (p,) with all slopes zero minimise the worst-case loss over a Wasserstein ball."""
    pull = _pull(rows, theta)[0]
    return bool(np.sqrt(pull @ pull) <= radius)


def off_corner(rows: RobustRows, radius: float, theta: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The start of `moving_pieces`, or a point below the corner at theta, all of whose slopes are zero, where the start is not.

    Newton's steps from above the corner may end in it, where no step of theirs leads out.
    """
    pieces = moving_pieces(rows, radius)
    pull, level = _pull(rows, theta)
    if pieces(start)[0] < level:
        return start
    move = np.linalg.lstsq(rows.norm, pull, rcond=None)[0]
    for halvings in range(60):
        point = theta + 0.5**halvings * move
        if pieces(point)[0] < level:
            return point
    return start


def _pull(rows: RobustRows, theta: np.ndarray) -> tuple[np.ndarray, float]:
    """How the losses pull at slopes (k,) that are all zero, and the objective of `moving_pieces` there."""
    losses, slope, _ = rows.terms(theta)
    gradient, level = rows.Z.T @ (rows.w * slope), float(rows.w @ losses)
    if rows.loss.name == "squared":
        level = float(np.sqrt(2.0 * level))
        gradient = gradient / level
    return np.linalg.lstsq(rows.norm.T, -gradient, rcond=None)[0], level


def moving_system(rows: RobustRows, theta: np.ndarray, radius: float) -> BallSystem:
    """Estimating equations of `moving_pieces`; the root of the mean square profiled out."""
    losses, slope, curvature = rows.terms(theta)
    w, lead = rows.w, rows.Z * slope[:, None]
    slopes = rows.norm @ theta
    length = float(np.sqrt(slopes @ slopes))
    along = rows.norm.T @ slopes / length
    bent = (rows.norm.T @ rows.norm - np.outer(along, along)) / length
    hessian = (rows.Z * (w * curvature)[:, None]).T @ rows.Z
    turned, longer = _rescaled(rows, slopes, length)
    if rows.loss.name != "squared":
        scores = -lead - radius * (along + turned)
        return BallSystem(scores, hessian + radius * bent, losses - w @ losses + radius * longer)
    root = np.sqrt(2.0 * float(w @ losses))
    pull = np.outer((2.0 * losses - root**2) * radius / (2.0 * root), along)
    scores = -lead - radius * root * (along + turned) - pull
    hessian = hessian + radius * root * bent - radius**2 * np.outer(along, along)
    whole = root + radius * length
    return BallSystem(scores, hessian, whole / root * (losses - w @ losses) + whole * radius * longer)


def _rescaled(rows: RobustRows, slopes: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """What the rows' influence on the columns' variances adds to the norm's gradient (n, p), and to the norm (n,)."""
    if rows.variances is None:
        return np.zeros_like(rows.Z), np.zeros(len(rows.y))
    longer = rows.variances @ slopes**2 / (2.0 * length)
    turned = (rows.variances * slopes) @ rows.norm / length - np.outer(longer, rows.norm.T @ slopes) / length**2
    return turned, longer


__all__ = [
    "RobustRows",
    "RobustSolution",
    "ball_pieces",
    "ball_system",
    "minimise",
    "moving_pieces",
    "moving_system",
    "off_corner",
    "without_slopes",
]
