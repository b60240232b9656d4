"""Robust regressions over each ball: the optimum, the law that is worst for it, and its estimating equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.moments import Moments
from statinf.numerics.quantreg.bandwidth import bandwidth, inside
from statinf.numerics.tails.balls import WORST, BallSystem, largest_radius
from statinf.numerics.tails.density import near_quantile
from statinf.numerics.tails.minimise import minimise_cvar
from statinf.numerics.tails.risk import cvar_influence, tail_mean
from statinf.numerics.tails.robust import (
    RobustObjective,
    RobustRows,
    ball_pieces,
    ball_system,
    minimise,
    moving_pieces,
    moving_system,
    off_corner,
    without_slopes,
)
from statinf.shifts.dro_problem import RobustProblem

_CONDITION = 1e12


@dataclass(frozen=True, repr=False)
class RobustSolved(Brief):
    """A robust regression.

    Attributes
    ----------
    problem : RobustProblem
    ball : str
    size : float
        Radius; the level of a CVaR.
    theta : ndarray, shape (p,)
        Of Z.
    value : float
        Worst-case loss.
    law : ndarray, shape (n,)
        Of the rows in the worst case, with sum one; the weights as they are where the ball moves the regressors.
    steps : int
    shares : ndarray, shape (n,)
        Parts of the rows in the worst share, of a CVaR.
    """

    problem: RobustProblem
    ball: str
    size: float
    theta: np.ndarray
    value: float
    law: np.ndarray
    steps: int
    shares: np.ndarray | None = None

    def system(self) -> BallSystem:
        """Estimating equations.

        Raises
        ------
        NotIdentifiedError
            Where the optimum has no large-sample theory.
        """
        rows = self.problem.rows
        if self.ball == "wasserstein":
            slopes = rows.norm @ self.theta
            if len(slopes) and not slopes.any():
                raise NotIdentifiedError(
                    f"radius={self.size:g} shrinks every slope to zero, where the norm has no derivative; lower radius="
                )
            return moving_system(rows, self.theta, self.size) if len(slopes) else _plain(rows, self.theta)
        if self.ball == "cvar":
            return _cvar_system(self)
        if not rows.loss.degree and not self.theta.any():
            raise NotIdentifiedError(
                f"at radius={self.size:g} the worst-case loss is least where every probability is a half, and has no "
                "derivative there; lower radius="
            )
        terms = rows.terms(self.theta)
        return ball_system(self.ball, rows.Z, terms, rows.w, WORST[self.ball](terms[0], rows.w, self.size), self.size)


def solve_robust(problem: RobustProblem, ball: str, size: float, max_iter: int) -> RobustSolved:
    """The regression of least worst-case loss.

    Raises
    ------
    OptionError
        If the ball holds a law on one row.
    """
    rows, start = problem.rows, problem.start
    if problem.exact:
        return RobustSolved(problem, ball, size, start, 0.0, rows.w, 0)
    if ball == "cvar":
        found = minimise_cvar(
            rows.Z, rows.y, rows.w, size, rows.loss, offset=rows.offset, start=start, max_iter=2 * max_iter
        )
        law = rows.w * found.shares
        return RobustSolved(problem, ball, size, found.theta, found.cvar, law / law.sum(), found.steps, found.shares)
    if ball == "wasserstein":
        return _moving(problem, size, max_iter)
    most = largest_radius(ball, rows.w)
    if size >= 0.999 * most:
        raise OptionError(
            f"radius={size:g}: from {most:.4g} on the {ball} ball around these {len(rows.w)} rows holds the law of a single "
            "row; lower it."
        )
    if not rows.loss.degree:  # where all losses are equal their worst mean has no derivative
        start = minimise(_mean_pieces(rows), start, max_iter).theta
    zero = np.inf if rows.loss.degree or rows.offset.any() else float(np.log(2.0))
    done = minimise(ball_pieces(rows, ball, size), start, max_iter, zero)
    law = WORST[ball](rows.terms(done.theta)[0], rows.w, size).law
    return RobustSolved(problem, ball, size, done.theta, done.value, law, done.steps)


def _moving(problem: RobustProblem, radius: float, max_iter: int) -> RobustSolved:
    rows = problem.rows
    squared = rows.loss.name == "squared"
    flat = _flat(rows, max_iter)
    if len(rows.norm) == 0 or without_slopes(rows, radius, flat):
        theta, value, steps = flat, float(rows.w @ rows.terms(flat)[0]), 0
    else:
        start = problem.start if squared else minimise(_mean_pieces(rows, 1e-3), flat, max_iter).theta
        done = minimise(moving_pieces(rows, radius), off_corner(rows, radius, flat, start), max_iter)
        theta, steps = done.theta, done.steps
        value = 0.5 * done.value**2 if squared else done.value
    return RobustSolved(problem, "wasserstein", radius, theta, value, rows.w, steps)


def _flat(rows: RobustRows, max_iter: int) -> np.ndarray:
    """The minimum of the mean loss with all slopes zero, shape (p,)."""
    null = np.linalg.svd(rows.norm)[2][len(rows.norm) :].T if len(rows.norm) else np.eye(rows.Z.shape[1])
    if null.shape[1] == 0:
        return np.zeros(rows.Z.shape[1])
    alone = RobustRows(rows.Z @ null, rows.y, rows.offset, rows.w, rows.loss, np.empty((0, null.shape[1])))
    return null @ minimise(_mean_pieces(alone), np.zeros(null.shape[1]), max_iter).theta


def _mean_pieces(rows: RobustRows, ridge: float = 0.0) -> RobustObjective:
    """Mean loss, with a ridge on the slopes."""

    def pieces(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        losses, slope, curvature = rows.terms(theta)
        square = ridge * rows.norm.T @ rows.norm
        hessian = (rows.Z * (rows.w * curvature)[:, None]).T @ rows.Z + square
        gradient = rows.Z.T @ (rows.w * slope) + square @ theta
        return float(rows.w @ losses + 0.5 * theta @ square @ theta), gradient, hessian

    return pieces


def _plain(rows: RobustRows, theta: np.ndarray) -> BallSystem:
    losses, slope, curvature = rows.terms(theta)
    hessian = (rows.Z * (rows.w * curvature)[:, None]).T @ rows.Z
    return BallSystem(-rows.Z * slope[:, None], hessian, losses - rows.w @ losses)


def _cvar_system(solved: RobustSolved) -> BallSystem:
    """Equations of a regression of least CVaR, the threshold profiled out through the losses' density there."""
    rows, level, shares = solved.problem.rows, solved.size, solved.shares
    losses, slope, curvature = rows.terms(solved.theta)
    Z, w = rows.Z, rows.w
    if level == 0.0 or shares is None:
        return _plain(rows, solved.theta)
    kernel, density = near_quantile(losses, w, level, inside(level, bandwidth(len(w), level)))
    if not density > 0:
        raise NotIdentifiedError(
            "the losses have no density at the edge of the worst share, which standard errors need"
        )
    lead = Z * slope[:, None]
    middle = lead.T @ (w * kernel) / density
    centred = lead - middle
    hessian = (Z * (w * shares * curvature)[:, None]).T @ Z + (centred * (w * kernel)[:, None]).T @ centred
    scores = -(lead * shares[:, None] + np.outer((1.0 - level) - shares, middle))
    var, cvar = tail_mean(losses, w, level)
    scale = 1.0 / (1.0 - level)
    return BallSystem(scores * scale, hessian * scale, cvar_influence(losses, level, var, cvar))


def moments_of(solved: RobustSolved) -> Moments:
    """Scores and bread of the regressors' coefficients."""
    problem, made = solved.problem, solved.problem.design
    system = solved.system()
    hessian = 0.5 * (system.hessian + system.hessian.T) * float(made.weights.sum())
    d = np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
    values = np.linalg.eigvalsh(hessian / np.outer(d, d))
    if not values[0] * _CONDITION > values[-1]:
        raise NotIdentifiedError(
            "the worst-case loss is flat in some direction of the regressors, along which there is no standard error"
        )
    return problem.moments(system.scores, hessian)


def risk_moments(solved: RobustSolved) -> Moments:
    """Influence of the rows on the worst-case loss, in the caller's units, as moments of one number."""
    return solved.problem.loss_moments(solved.system().risk[:, None])
