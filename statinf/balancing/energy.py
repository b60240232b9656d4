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

import warnings
from typing import Any

import numpy as np

from statinf.balancing.arms import Sample, Solution, Task, merge, tasks
from statinf.balancing.feasibility import stopped
from statinf.errors import ConvergenceError, NumericalWarning, OptionError
from statinf.numerics.kernels.distances import distances
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.programs.simplex_pivoting import Dense, simplex_qp
from statinf.numerics.tilting.ridge_dual import match_features

CITATION = "energy balancing (Huling and Mak 2024)"
ALL_LEVELS = True
FIXED = "energy balancing has no root-n theory to expand them; the intervals are conservative where columns explain the outcome."

MAX_DENSE = 10_000
"""Reweighted rows up to which the distance matrix is held in memory."""


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    improved: bool = True,
    penalty: float = 1e-4,
    min_w: float = 1e-8,
    rank: int | None = None,
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
    rank : int, optional
        Balance the energy distance within this many leading directions of its kernel, one arm at a time (as
        ``improved=False``), in memory proportional to rows times rank. Used with 1000 above 10,000 reweighted rows, with a
        warning, where the distance matrix would take gigabytes.
    tol : float
        Optimality residual.
    max_iter : int
    """
    if not penalty >= 0.0:
        raise OptionError(f"penalty={penalty!r} must not be negative.")
    todo = tasks(sample, estimand)
    z = sample.x / distance_scale(sample)
    count = sum(len(task.index) for task in todo)
    if rank is None and count > MAX_DENSE:
        warnings.warn(
            f"method='energy': {count} reweighted rows need a matrix of distances too large to hold; "
            "the 1000 leading directions of the distance are balanced, one arm at a time. Give rank= to choose.",
            NumericalWarning,
            stacklevel=4,
        )
        rank = 1000
    if rank is not None:
        return _leading_directions(sample, todo, z, rank, penalty, tol, max_iter)
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
        raise _stopped(found, penalty, max_iter)
    pieces, rows = {}, {}
    for g, task in enumerate(todo):
        rows[task.arm] = index[groups == g]
        pieces[task.arm] = found.v[groups == g] / found.v[groups == g].sum()
    values = merge(sample, pieces, rows)
    details = {"objective": float(0.5 * found.v @ (matrix @ found.v) + linear @ found.v), "penalty": penalty}
    return Solution(values, None, found.iterations, found.residual, details=details)


def _leading_directions(
    sample: Sample, todo: tuple[Task, ...], z: np.ndarray, rank: int, penalty: float, tol: float, max_iter: int
) -> Solution:
    """Energy balancing in the span of leading directions of ``|x| + |y| - |x - y|``, the kernel behind the energy distance."""
    if isinstance(rank, bool) or int(rank) != rank or rank < 1:
        raise OptionError(f"rank={rank!r} must be a whole number of at least 1.")
    centred = z - sample.s @ z / sample.s.sum()
    norms = np.linalg.norm(centred, axis=1)

    def columns(at: np.ndarray) -> np.ndarray:
        return norms[:, None] + norms[at] - distances(centred, centred[at])

    factor = pivoted_cholesky(columns, 2.0 * norms, tol=1e-10, max_rank=min(int(rank), sample.n), partial=True)
    assert factor is not None
    pieces, rows, residual, iterations = {}, {}, 0.0, 0
    for task in todo:
        index = task.index[sample.s[task.index] > 0]
        price = np.full(len(index), max(penalty, 1e-10) / 2.0)
        found = match_features(factor[index], task.target @ factor, price, 1.0, tol=max(tol, 1e-9), max_iter=max_iter)
        if not found.converged:
            raise _stopped(found, penalty, max_iter)
        pieces[task.arm], rows[task.arm] = found.v, index
        residual, iterations = max(residual, found.residual), iterations + found.iterations
    left = 1.0 - float(np.sum(factor**2) / np.sum(2.0 * norms))
    details = {"rank": factor.shape[1], "trace_left": left, "penalty": penalty}
    return Solution(merge(sample, pieces, rows), None, iterations, residual, details=details)


def _stopped(found: Any, penalty: float, max_iter: int) -> ConvergenceError:
    left, advice = f"a residual of {found.residual:.2g}", f"raise penalty= (now {penalty:g})"
    return stopped("energy", left, found.iterations, max_iter, advice)


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
