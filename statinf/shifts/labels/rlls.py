"""Class weights by regularised least squares.

Azizzadenesheli, Liu, Yang and Anandkumar (2019, arXiv 1903.09734): with C the joint confusion matrix of the source and b the
predicted shares of the target, theta minimises |C theta - (b - C 1)| + penalty |theta| subject to theta >= -1, and the weights
are 1 + strength theta. The norms are not squared, so that a small penalty leaves the exact solution as it is. Where the penalty
binds the weights are shrunk towards no shift: standard errors are those of the shrunk weights, and intervals do not count the
shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.results.options import flag, number
from statinf.shifts.labels.bbse import class_means
from statinf.shifts.labels.problem import LabelMethod, LabelOptions, LabelProblem, LabelSolution, hard

_DELTA = 0.05
_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class RllsOptions(LabelOptions):
    """Options of regularised weights."""

    penalty: float | None = number(
        None,
        "multiplies the norm of the weights' distance from one; by default 0.01 times the paper's bound on the error of the "
        "confusion matrix",
        low=0.0,
        open_high=True,
        also=(None,),
    )
    strength: float = number(1.0, "how much of the estimated shift is used", low=0.0, high=1.0)
    soft: bool = flag(False, "take predicted probabilities in place of predicted classes")


def default_penalty(k: int, n: float) -> float:
    """A hundredth of the bound on the spectral error of the confusion matrix of n rows and k classes."""
    level = np.log(2.0 * k / _DELTA)
    return _SHARE * 3.0 * float(2.0 * level / (3.0 * n) + np.sqrt(2.0 * level / n))


def regularised(confusion: np.ndarray, gap: np.ndarray, penalty: float) -> tuple[np.ndarray, bool]:
    """The minimiser of |C theta - gap| + penalty |theta| with theta >= -1, and whether without the bound C theta = gap.

    Parameters
    ----------
    confusion : ndarray, shape (k, k)
    gap : ndarray, shape (k,)
    penalty : float
    """
    exact = _exact(confusion, gap)
    kept = exact is not None and _stays(confusion, exact, penalty)
    if exact is not None and kept and (exact >= -1.0).all():
        return exact, True
    # The minimiser is a ridge solution: that of the ridge which gives the least sum of the two norms.
    scale = float(np.linalg.norm(confusion) ** 2)

    def total(log_ridge: float) -> float:
        theta = _ridge(confusion, gap, scale * np.exp(log_ridge))
        return float(np.linalg.norm(confusion @ theta - gap) + penalty * np.linalg.norm(theta))

    from scipy.optimize import minimize_scalar

    grid = np.linspace(-34.0, 12.0, 24)
    values = [total(g) for g in grid]
    best = int(np.argmin(values))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(total, bounds=around, method="bounded", options={"xatol": 1e-12})
    theta = _polished(confusion, gap, penalty, _ridge(confusion, gap, scale * np.exp(found.x)))
    if float(np.linalg.norm(gap)) <= np.linalg.norm(confusion @ theta - gap) + penalty * np.linalg.norm(theta):
        theta = np.zeros_like(theta)
    return theta, kept


def _exact(confusion: np.ndarray, gap: np.ndarray) -> np.ndarray | None:
    if np.linalg.cond(confusion) > 1e12:
        return None
    return np.linalg.solve(confusion, gap)


def _stays(confusion: np.ndarray, theta: np.ndarray, penalty: float) -> bool:
    """Whether no direction lowers the penalty by more than it raises the residual from zero."""
    size = float(np.linalg.norm(theta))
    return size == 0.0 or penalty * float(np.linalg.norm(np.linalg.solve(confusion.T, theta / size))) <= 1.0


def _ridge(confusion: np.ndarray, gap: np.ndarray, ridge: float) -> np.ndarray:
    k = len(gap)
    tall, right = np.vstack([confusion, np.sqrt(ridge) * np.eye(k)]), np.append(gap, np.zeros(k))
    theta = np.linalg.lstsq(tall, right, rcond=None)[0]
    if (theta >= -1.0).all():
        return theta
    from scipy.optimize import lsq_linear

    return lsq_linear(tall, right, bounds=(-1.0, np.inf), method="bvls", tol=1e-14).x


def _polished(confusion: np.ndarray, gap: np.ndarray, penalty: float, theta: np.ndarray) -> np.ndarray:
    """Newton's steps on the weights above zero, from near the minimum."""
    for _ in range(20):
        free = theta > -1.0
        rest = confusion @ theta - gap
        if not free.any() or not np.linalg.norm(rest) > 1e-12 or not np.linalg.norm(theta) > 1e-12:
            break
        slope, curve = _derivatives(confusion, rest, theta, penalty)
        step = np.linalg.lstsq(curve[np.ix_(free, free)], -slope[free], rcond=1e-13)[0]
        moved = theta.copy()
        moved[free] += step
        if (moved < -1.0).any() or not np.isfinite(moved).all() or np.abs(step).max() > 0.1:
            break
        theta = moved
        if np.abs(step).max() <= 1e-14 * max(1.0, np.abs(theta).max()):
            break
    return theta


def _derivatives(
    confusion: np.ndarray, rest: np.ndarray, theta: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Slope (k,) and curvature (k, k) of the sum of norms in theta."""
    s, t = float(np.linalg.norm(rest)), float(np.linalg.norm(theta))
    along, way = rest / s, theta / t
    slope = confusion.T @ along + penalty * way
    curve = confusion.T @ (confusion - np.outer(along, along @ confusion)) / s
    return slope, curve + penalty * (np.eye(len(theta)) - np.outer(way, way)) / t


def estimate(problem: LabelProblem, options: RllsOptions) -> LabelSolution:
    """Regularised weights, and the shares that they make."""
    source, target = problem.source, problem.target
    if not options.soft:
        source, target = hard(source), hard(target)
    confusion = class_means(problem, source) * problem.shares
    share = problem.wt / problem.wt.sum()
    mean = share @ target
    gap = mean - confusion.sum(axis=1)
    rows = float(problem.ws.sum() ** 2 / (problem.ws**2).sum())
    penalty = default_penalty(problem.k, rows) if options.penalty is None else options.penalty
    theta, exact = regularised(confusion, gap, penalty)
    v = 1.0 + options.strength * theta
    size = float(problem.shares @ v)
    q = problem.shares * v / size

    def influence() -> tuple[np.ndarray, np.ndarray]:
        on_source, on_target = _weights_influence(problem, source, target, confusion, mean, theta, exact, penalty)
        moved = on_source * (options.strength * problem.shares) + problem.shares_influence * v
        beside = on_target * (options.strength * problem.shares)
        return tuple((m - np.multiply.outer(m.sum(axis=1), q)) / size for m in (moved, beside))  # type: ignore[return-value]

    facts = {"penalty": penalty, "shrinkage": float(np.linalg.norm(confusion @ theta - gap))}
    note = ""
    if not exact:
        note = "The penalty shrinks the shares towards those of the source; intervals do not count that."
    elif (theta <= -1.0 + 1e-9).any():
        note = "A weight is at its bound of zero; errors are those without the bound."
    return LabelSolution(q, influence, facts, note)


def _weights_influence(
    problem: LabelProblem,
    source: np.ndarray,
    target: np.ndarray,
    confusion: np.ndarray,
    mean: np.ndarray,
    theta: np.ndarray,
    exact: bool,
    penalty: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Influence of the rows of both samples on theta, shape (n, k) and (m, k)."""
    own, other = problem.ws / problem.ws.sum(), problem.wt / problem.wt.sum()
    gap = mean - confusion.sum(axis=1)
    v = 1.0 + (np.linalg.solve(confusion, gap) if exact else theta)
    # What each row moves in C v and in b.
    in_source = (source * v[problem.codes][:, None] - confusion @ v) * own[:, None]
    in_target = (target - mean) * other[:, None]
    if exact:
        inverse = np.linalg.inv(confusion)
        return -in_source @ inverse.T, in_target @ inverse.T
    free = theta > -1.0
    rest = confusion @ theta - gap
    on_source, on_target = np.zeros((len(own), problem.k)), np.zeros((len(other), problem.k))
    if not free.any() or not theta.any() or not rest.any():
        return on_source, on_target
    along = rest / np.linalg.norm(rest)
    curve = _derivatives(confusion, rest, theta, penalty)[1][np.ix_(free, free)]
    back = (confusion - np.outer(along, along @ confusion)) / np.linalg.norm(rest)
    slope = in_source @ back - np.multiply.outer(own, confusion.T @ along)
    slope[np.arange(len(own)), problem.codes] += own * (source @ along)
    inverse = np.linalg.pinv(curve)
    on_source[:, free] = -slope[:, free] @ inverse.T
    on_target[:, free] = (in_target @ back)[:, free] @ inverse.T
    return on_source, on_target


METHOD = LabelMethod(
    verb="target_shift",
    name="rlls",
    estimate=estimate,
    options=RllsOptions,
    summary="class weights by regularised least squares on the confusion matrix",
    citation="Azizzadenesheli, Liu, Yang and Anandkumar (2019)",
    arxiv="1903.09734",
    guarantee="finite-sample bounds on the weights; equal to bbse where the penalty is small beside what classes differ by",
    vignette="label-shift",
)
