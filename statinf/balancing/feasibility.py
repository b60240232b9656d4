"""Whether any weights can meet the balance constraints, and which column stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.arms import Sample, Task, scales
from statinf.errors import ConvergenceError, InfeasibleError


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
    sample: Sample,
    task: Task,
    *,
    method: str,
    residual: float,
    tolerance: np.ndarray | None = None,
    scale: np.ndarray | None = None,
) -> None:
    """Explain why a calibration did not converge: always raises.

    Raises
    ------
    InfeasibleError
        If the target lies outside the arm's convex hull or on its border.
    ConvergenceError
        If it lies inside, so that the solver is to blame.
    """
    arm, k = ("control", "treated")[task.arm], sample.x.shape[1]
    scale = scales(sample.x, sample.s) if scale is None else scale
    inside = task.index[sample.s[task.index] > 0]
    z = (sample.x[inside] - task.target @ sample.x) / scale
    tolerance = np.zeros(k) if tolerance is None else tolerance
    found = reach(z, tolerance)
    if found.gap > 1e-9:
        smallest = _round_up(float(np.max(tolerance)) + found.gap)
        advice = (
            f"raise tols to at least {smallest:g}."
            if method == "sbw"
            else (f"allow imbalance: method='sbw' is feasible from tols={smallest:g}.")
        )
        raise InfeasibleError(
            f"method={method!r}: no weights on the {len(inside)} {arm} rows bring the mean of {sample.names[found.column]!r} to "
            f"its target together with the other columns; the smallest attainable gap is {found.gap:.3g} standard deviations"
            f"{' beyond tols' if method == 'sbw' and np.any(tolerance > 0) else ''}. Leave that column out, restrict the sample "
            f"to where the arms overlap, or {advice}"
        )
    worst = int(np.argmin(np.ptp(z, axis=0)))
    if residual > 1e-6:
        raise InfeasibleError(
            f"method={method!r}: the target lies on the border of the convex hull of the {arm} rows, so weights would have to "
            f"vanish on some of them (imbalance left {residual:.2g} standard deviations; the narrowest column is "
            f"{sample.names[worst]!r}). Use method='sbw', which allows zero weights, or fewer columns."
        )
    raise ConvergenceError(
        f"method={method!r} stopped with an imbalance of {residual:.2g} standard deviations in the {arm} arm. "
        "Raise max_iter, or balance fewer columns."
    )


def _round_up(value: float) -> float:
    """Two significant digits, upwards, so that the value printed is feasible."""
    digits = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / digits * (1 + 1e-9)) * digits)
