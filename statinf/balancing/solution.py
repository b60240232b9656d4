"""What balancing methods return: weights, and their first-order expansion in the parameters behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from statinf.backend.threads import row_blocks
from statinf.balancing.problem import BalanceProblem, Task
from statinf.numerics.linear.products import column_sums, over_blocks, weighted_gram
from statinf.numerics.linear.symmetric import symmetric_inverse
from statinf.numerics.rowwise.scales import weights_at


@dataclass(frozen=True)
class Linear:
    """First-order expansion of the weights in the parameters behind them.

    Attributes
    ----------
    derivative : ndarray, shape (n, k)
        d weight_i / d alpha.
    influence : ndarray, shape (n, k)
        ``alpha_hat - alpha = sum_i influence_i + o(n^-1/2)``.
    leverage : ndarray, shape (n,)
        Share of each weight's own row in the equations that set it, for HC2- and HC3-type corrections.
    """

    derivative: np.ndarray
    influence: np.ndarray
    leverage: np.ndarray


@dataclass(frozen=True)
class BalanceSolution:
    """Weights of one balancing problem.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Weights with the sampling weights multiplied in.
    linear : callable or None
        Makes the `Linear` expansion when it is asked for; None where the theory gives none.
    iterations : int
    residual : float
        What the solver left: largest imbalance in standard deviations, or KKT residual.
    propensity : ndarray, shape (n,) or (n, arms), optional
    details : dict
        Numbers of the method: multipliers, objective, bandwidth.
    fixed : str
        Why there is no expansion, where the method has one otherwise.
    """

    values: np.ndarray
    linear: Callable[[], Linear] | None
    iterations: int
    residual: float
    propensity: np.ndarray | None = None
    details: dict = field(default_factory=dict)
    fixed: str = ""


def merge(problem: BalanceProblem, pieces: dict[int, np.ndarray], index: dict[int, np.ndarray]) -> np.ndarray:
    """Weights of all rows: sampling weights, replaced in the reweighted arms by mean-one weights times them.

    `pieces[arm]` sum to one over the rows `index[arm]`.
    """
    values = problem.s.astype(np.float64, copy=True)
    for arm, p in pieces.items():
        rows = index[arm]
        total = weights_at(problem.s, rows).sum()
        for part in row_blocks(len(p), 1):
            values[rows[part]] = p[part] * total
    return values


def expand_calibration(
    problem: BalanceProblem,
    task: Task,
    z: np.ndarray,
    values: np.ndarray,
    slope_weights: np.ndarray,
    scale: np.ndarray | None = None,
) -> Linear:
    """Linear expansion of weights ``w_i = s_i g(a + z_i' l)`` that meet mean constraints.

    The constraints are ``sum_arm (w_i - s_i) = 0`` and ``sum_arm w_i (z_i - target mean - gap) = 0``; the target
    mean is estimated from the target's rows and its error is part of the influence values.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        The balanced features of all rows.
    values : ndarray, shape (m,)
        Weights of the arm's rows.
    slope_weights : ndarray, shape (m,)
        ``s_i g'(.)`` of the arm's rows.
    scale : ndarray, shape (k,), optional
        What the features are divided by, block by block.
    """
    rows, total, k = task.index, float(values.sum()), z.shape[1]
    unit = np.ones(k) if scale is None else scale
    mean_target = column_sums(z, task.target)
    # Of all rows, zero outside the arm: the weight, its slope, and the weight less the sampling weight.
    weight, slope, moved = np.zeros((3, problem.n))
    weight[rows], slope[rows], moved[rows] = values, slope_weights, values - problem.s[rows]

    def around(part: slice) -> np.ndarray:
        """A constant and the features about the target's mean, shape (k + 1, block)."""
        out = np.empty((k + 1, part.stop - part.start))
        out[0] = 1.0
        np.subtract(z[part].T, mean_target[:, None], out=out[1:])
        out[1:] /= unit[:, None]
        return out

    def sums(part: slice) -> tuple[np.ndarray, np.ndarray]:
        a = around(part)
        return np.dot(a, weight[part]), np.dot(a * slope[part], a.T)

    first, second = (np.sum(each, axis=0) for each in zip(*over_blocks(sums, *z.shape), strict=True))
    gap = np.append(0.0, first[1:] / total)
    shift = np.eye(k + 1)
    shift[1:, 0] = -gap[1:]
    inverse = symmetric_inverse(shift @ second @ shift.T)
    pulled = weight - total * task.target
    out = Linear(np.empty((problem.n, k + 1), order="F"), np.empty((problem.n, k + 1), order="F"), np.empty(problem.n))
    by_gap = inverse @ gap

    def expand(part: slice) -> None:
        a = around(part)
        a -= gap[:, None]
        half = np.dot(inverse, a)
        out.leverage[part] = np.einsum("ij,ij->j", half, a) * slope[part]
        half *= pulled[part]
        half += np.outer(inverse[:, 0], moved[part] - pulled[part])
        half += np.outer(by_gap, pulled[part] - weight[part])
        out.influence[part] = -half.T
        out.derivative[part] = (a * slope[part]).T

    over_blocks(expand, *z.shape)
    return out


def expand_scores(z: np.ndarray, score: np.ndarray, curvature: np.ndarray, slope: np.ndarray) -> Linear:
    """Expansion for a root of ``sum score_i z_i``.

    Parameters
    ----------
    z : ndarray, shape (n, q)
    score : ndarray, shape (n,)
    curvature : ndarray, shape (n,)
        Minus the derivative of `score` in the predictor.
    slope : ndarray, shape (n,)
        Derivative of the weights in the predictor.
    """
    inverse = symmetric_inverse(weighted_gram(z, curvature))
    out = Linear(np.empty(z.shape, order="F"), np.empty(z.shape, order="F"), np.empty(len(z)))

    def expand(part: slice) -> None:
        rows = z[part].T
        half = np.dot(inverse, rows)
        out.leverage[part] = np.einsum("ij,ij->j", half, rows) * curvature[part]
        out.influence[part] = (half * score[part]).T
        out.derivative[part] = (rows * slope[part]).T

    over_blocks(expand, *z.shape)
    return out


def expand_equations(z: np.ndarray, scores: np.ndarray, jacobian: np.ndarray, slopes: np.ndarray) -> Linear:
    """Expansion for a root of ``sum_i scores_ik z_i = 0``, k = 1..m, in m coefficient vectors.

    Parameters
    ----------
    z : ndarray, shape (n, q)
    scores : ndarray, shape (n, m)
    jacobian : ndarray, shape (n, m, m)
        Derivatives of the scores, in rows, by the predictors, in columns.
    slopes : ndarray, shape (n, m)
        Derivatives of the weights by the predictors.
    """
    (n, q), m = z.shape, scores.shape[1]
    blocks = [[(z * jacobian[:, a, b, None]).T @ z for b in range(m)] for a in range(m)]
    inverse = np.linalg.pinv(np.block(blocks), rcond=1e-13)
    psi = (scores[:, :, None] * z[:, None, :]).reshape(n, m * q)
    derivative = (slopes[:, :, None] * z[:, None, :]).reshape(n, m * q)
    parts = inverse.reshape(m, q, m, q)
    own = np.empty((n, m, m))
    for a in range(m):
        for b in range(m):
            own[:, a, b] = np.einsum("ij,ij->i", z @ parts[a, :, b], z)
    # The share that a row has in the equations along the direction where it has most.
    share = np.linalg.eigvals(own @ jacobian).real.max(axis=1)
    return Linear(derivative, -psi @ inverse.T, np.clip(share, 0.0, 1.0))


def spread(solution: BalanceSolution, n: int, kept: np.ndarray) -> BalanceSolution:
    """A solution of some rows, `kept`, as one of all n: the others have weight zero and no propensity."""

    def widen(a: np.ndarray, fill: float) -> np.ndarray:
        out = np.full((n, *a.shape[1:]), fill)
        out[kept] = a
        return out

    def wide() -> Linear:
        assert solution.linear is not None
        small = solution.linear()
        return Linear(*(widen(a, 0.0) for a in (small.derivative, small.influence, small.leverage)))

    return replace(
        solution,
        values=widen(solution.values, 0.0),
        linear=None if solution.linear is None else wide,
        propensity=None if solution.propensity is None else widen(solution.propensity, np.nan),
        details={**solution.details, "dropped": n - len(kept)},
    )


def side_by_side(parts: list[Linear]) -> Linear:
    """Expansion of weights that depend on several independent sets of parameters."""
    if len(parts) == 1:
        return parts[0]
    return Linear(
        np.hstack([q.derivative for q in parts]),
        np.hstack([q.influence for q in parts]),
        np.sum([q.leverage for q in parts], axis=0),
    )
