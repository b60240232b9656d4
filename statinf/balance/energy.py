"""Energy balancing.

Huling, J. D. and Mak, S. (2024), "Energy balancing of covariate distributions", Journal of Causal Inference 12(1), arXiv
2004.13962.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns and overlap; nothing about the form
of propensity or outcome.

The weights minimise the energy distance between each reweighted arm and the target (for the ATE also between the arms,
``improved=True``) plus ``penalty / 2`` times the sum of squared weights. There is no root-n theory in general; by default
the standard errors treat the weights as fixed, and the label says so.
"""

from __future__ import annotations

import numpy as np

from statinf.balance.arms import Sample, Solution, merge, tasks
from statinf.errors import ConvergenceError, OptionError
from statinf.numerics.distances import distances
from statinf.numerics.simplexqp import Dense, simplex_qp

CITATION = "energy balancing (Huling and Mak 2024)"
ALL_LEVELS = True
FIXED = "energy balancing has no root-n theory to expand them; the intervals are conservative where columns explain the outcome."

MAX_DENSE = 12_000
"""Rows up to which the distance matrix is held in memory."""


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    improved: bool = True,
    penalty: float = 1e-4,
    min_w: float = 1e-8,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> Solution:
    """Energy balancing weights with mean one in each arm.

    Parameters
    ----------
    sample : Sample
        Columns of every level of a factor.
    estimand : {"ATE", "ATT", "ATC"}
    improved : bool
        ATE: add the energy distance between the two weighted arms.
    penalty : float
        Price of ``sum v^2 / 2``, v the normalised weights.
    min_w : float
        Least weight, relative to the mean of the arm.
    tol : float
        Optimality residual.
    max_iter : int
    """
    if not penalty >= 0.0:
        raise OptionError(f"penalty={penalty!r} must not be negative.")
    todo = tasks(sample, estimand)
    z = sample.x / distance_scale(sample)
    index = np.concatenate([task.index for task in todo])
    groups = np.concatenate([np.full(len(task.index), g) for g, task in enumerate(todo)])
    share = np.concatenate([sample.s[task.index] / sample.s[task.index].sum() for task in todo])
    keep = share > 0
    index, groups, share = index[keep], groups[keep], share[keep]
    own = distances(z[index], z[index])
    linear = 2.0 * _target_distance(z, index, todo[0].target)
    same = np.equal.outer(groups, groups)
    matrix = own * np.where(same, -4.0, 2.0) if improved and len(todo) == 2 else own * (-2.0 * same)
    matrix[np.diag_indices_from(matrix)] += penalty
    # Constant on the feasible set, this makes the conditionally definite matrix positive definite.
    lift = same * (40.0 * float(own.mean()))
    found = simplex_qp(Dense(matrix + lift), linear, groups, min_w * share, tol=tol, max_iter=max_iter)
    if not found.converged:
        raise ConvergenceError(
            f"method='energy' stopped with a residual of {found.residual:.2g}; raise penalty= (now {penalty:g}) or max_iter."
        )
    pieces, rows = {}, {}
    for g, task in enumerate(todo):
        rows[task.arm] = index[groups == g]
        pieces[task.arm] = found.v[groups == g] / found.v[groups == g].sum()
    values = merge(sample, pieces, rows)
    details = {"objective": float(0.5 * found.v @ (matrix @ found.v) + linear @ found.v), "penalty": penalty}
    return Solution(values, None, found.iterations, found.residual, details=details)


def distance_scale(sample: Sample) -> np.ndarray:
    """Standard deviations of the columns over the whole sample, shape (p,)."""
    s = sample.s
    mean = s @ sample.x / s.sum()
    correction = s.sum() - (s @ s) / s.sum()
    variance = s @ (sample.x - mean) ** 2 / max(correction, 1e-300)
    return np.sqrt(np.where(variance > 0, variance, 1.0))


def _target_distance(z: np.ndarray, index: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``sum_j target_j ||z_i - z_j||`` for the rows of `index`, in blocks."""
    out = np.zeros(len(index))
    mass = np.flatnonzero(target)
    for start in range(0, len(mass), 4096):
        block = mass[start : start + 4096]
        out += distances(z[index], z[block]) @ target[block]
    return out
