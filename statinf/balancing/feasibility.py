"""Whether any weights can meet the balance constraints, and which column stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.problem import BalanceProblem, Task
from statinf.errors import ConvergenceError, InfeasibleError
from statinf.numerics.rowwise.scales import scales


@dataclass(frozen=True)
class Reach:
    """How close an arm can come to its target with nonnegative weights.

    Attributes
    ----------
    gap : float
        Smallest attainable maximum of ``|imbalance| - tolerance`` over columns, in standard deviations; 0 if the
        constraints can be met.
    column : int
        The column whose constraint holds the gap open most strongly.
    """

    gap: float
    column: int


def reach(z: np.ndarray, tolerance: np.ndarray) -> Reach:
    """Solve ``min delta`` subject to ``|sum p z_j| <= tolerance_j + delta``, ``p >= 0``, ``sum p = 1`` by HiGHS.

    Parameters
    ----------
    z : ndarray, shape (m, k)
        Rows of the arm, centred at the target and scaled.
    tolerance : ndarray, shape (k,)
    """
    from scipy.optimize import linprog

    z = np.unique(z, axis=0)
    m, k = z.shape
    cost = np.r_[np.zeros(m), 1.0]
    above = np.column_stack([z.T, -np.ones(k)])
    below = np.column_stack([-z.T, -np.ones(k)])
    total = np.r_[np.ones(m), 0.0][None, :]
    out = linprog(
        cost, A_ub=np.vstack([above, below]), b_ub=np.r_[tolerance, tolerance], A_eq=total, b_eq=[1.0], method="highs"
    )
    if out.status != 0:
        raise ConvergenceError(f"The feasibility program stopped without an answer: {out.message}")
    price = np.abs(out.ineqlin.marginals)
    return Reach(max(float(out.fun), 0.0), int(np.argmax(price[:k] + price[k:])))


def require_hull(
    problem: BalanceProblem,
    task: Task,
    *,
    method: str,
    residual: float,
    iterations: int,
    max_iter: int,
    tolerance: np.ndarray | None = None,
    scale: np.ndarray | None = None,
) -> None:
    """Explain why a calibration did not converge: always raises.

    Whether the constraints can be met is a question of its own, answered first; where they can, a search that had used up
    its iterations is told apart from one that ran to the border.

    Raises
    ------
    InfeasibleError
        If the target lies outside the arm's convex hull or on its border.
    ConvergenceError
        If the search stopped short: at `max_iter`, or for the limits of arithmetic.
    """
    arm, k = problem.arms[task.arm], problem.x.shape[1]
    scale = scales(problem.x, problem.s) if scale is None else scale
    inside = task.index[problem.s[task.index] > 0]
    z = (problem.x[inside] - task.target @ problem.x) / scale
    exact = tolerance is None
    tolerance = np.zeros(k) if tolerance is None else tolerance
    found = reach(z, tolerance)
    if found.gap > 1e-9:
        smallest = _round_up(float(np.max(tolerance)) + found.gap)
        advice = (
            f"allow imbalance: method='sbw' is feasible from tols={smallest:g}."
            if exact
            else f"raise tols to at least {smallest:g}."
        )
        raise InfeasibleError(
            f"method={method!r}: no weights on the {len(inside)} {arm} rows bring the mean of {problem.names[found.column]!r} to "
            f"its target together with the other columns; the smallest attainable gap is {found.gap:.3g} standard deviations"
            f"{' beyond tols' if np.any(tolerance > 0) else ''}. Leave that column out, restrict the sample "
            f"to where the arms overlap, or {advice}"
        )
    if exact and on_border(z):
        worst = int(np.argmin(np.ptp(z, axis=0)))
        raise InfeasibleError(
            f"method={method!r}: the target lies on the border of the convex hull of the {arm} rows, so weights would have to "
            f"vanish on some of them (imbalance left {residual:.2g} standard deviations; the narrowest column is "
            f"{problem.names[worst]!r}). Use method='sbw', which allows zero weights, or fewer columns."
        )
    left = f"an imbalance of {residual:.2g} standard deviations in the {arm} arm"
    raise stopped(method, left, iterations, max_iter, "balance fewer columns")


def stopped(method: str, left: str, iterations: int, max_iter: int, advice: str) -> ConvergenceError:
    """The error of a search that ended with `left` to go: at `max_iter`, or for another reason with its own advice."""
    if iterations >= max_iter:
        return ConvergenceError(f"method={method!r} reached max_iter={max_iter} with {left} left; raise max_iter.")
    return ConvergenceError(f"method={method!r} stopped with {left} left; {advice}.")


def on_border(z: np.ndarray) -> bool:
    """Whether weights of mean zero must vanish on some rows: the largest least weight is zero."""
    from scipy.optimize import linprog

    z = np.unique(z, axis=0)
    m, k = z.shape
    # Weights q + least, q not negative.
    equal = np.vstack([np.column_stack([z.T, z.sum(axis=0)]), np.r_[np.ones(m), float(m)]])
    out = linprog(np.r_[np.zeros(m), -1.0], A_eq=equal, b_eq=np.r_[np.zeros(k), 1.0], method="highs")
    return out.status != 0 or m * -float(out.fun) <= 1e-7


def _round_up(value: float) -> float:
    """Two significant digits, upwards, so that the value printed is feasible."""
    digits = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / digits * (1 + 1e-9)) * digits)
