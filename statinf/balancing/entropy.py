"""Entropy balancing.

Hainmueller, J. (2012), "Entropy balancing for causal effects: a multivariate reweighting method to produce balanced
samples in observational studies", Political Analysis 20(1), 25-46. As a method of calibration with three-way balance
for the ATE: Chan, Yam and Zhang (2016), JRSS B 78(3), 673-700.

Estimand: the mean difference in outcomes over the target population (ATE everybody, ATT the treated, ATC the
controls). Assumptions: no unmeasured confounding given the balanced columns, overlap (the target mean lies inside the
convex hull of each reweighted arm), and either an outcome linear in the columns or a log-linear density ratio.

In each reweighted arm the weights are as close to the sampling weights as possible in Kullback-Leibler divergence
among all that reproduce the target means exactly. The target means are estimated too, and the standard errors count
that: R WeightIt's ``vcov = "asympt"`` for ``method = "ebal"`` treats them as known and reports 780.88 instead of
789.74 on the LaLonde ATT, and a number 17 times too large where the outcome is nearly linear.

For the ATT these are the weights of just-identified logit CBPS and of inverse probability tilting. PyPI's ``ebal``
balances principal components of unscaled data unless ``PCA=False``, which is another estimator.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import chunks, map_threads, one_blas_thread, rows_per_chunk
from statinf.balancing.arms import (
    Linear,
    Sample,
    Solution,
    expand_calibration,
    merge,
    rough_scales,
    side_by_side,
    tasks,
    weights_at,
)
from statinf.balancing.feasibility import require_hull
from statinf.numerics.rowwise.sums import Rows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt
from statinf.numerics.tilting.calibration_batch import Tilts

CITATION = "entropy balancing (Hainmueller 2012)"


def solve(
    sample: Sample, estimand: str = "ATE", *, base: np.ndarray | None = None, tol: float = 1e-10, max_iter: int = 100
) -> Solution:
    """Entropy balancing weights with mean one in each arm.

    Parameters
    ----------
    sample : Sample
    estimand : {"ATE", "ATT", "ATC"}
    base : ndarray, shape (n,), optional
        Base weights to stay close to; the sampling weights by default.
    tol : float
        Largest imbalance left, in standard deviations.
    max_iter : int

    Raises
    ------
    InfeasibleError
        If no positive weights reproduce the target means; the message names the column and the gap.
    """
    todo = tasks(sample, estimand)
    scale = rough_scales(sample.x)
    tilts: dict[int, Tilt] = {}
    for task in todo:
        rows = Rows.about_mean(sample.x, task.index, task.target, scale)
        start = weights_at(sample.s if base is None else base, task.index)
        tilts[task.arm] = exponential_tilt(rows, start, tol=tol, max_iter=max_iter)
        if not tilts[task.arm].converged:
            tilt = tilts[task.arm]
            require_hull(
                sample, task, method="entropy", residual=tilt.residual, iterations=tilt.iterations, max_iter=max_iter
            )
    pieces = {arm: tilt.p for arm, tilt in tilts.items()}
    values = merge(sample, pieces, {task.arm: task.index for task in todo})

    def linear() -> Linear:
        z = sample.x / scale
        return side_by_side(
            [expand_calibration(sample, task, z, values[task.index], values[task.index]) for task in todo]
        )

    multipliers = {arm: tilt.slope / scale for arm, tilt in tilts.items()}
    return Solution(
        values,
        linear,
        iterations=max(t.iterations for t in tilts.values()),
        residual=max(t.residual for t in tilts.values()),
        details={"multipliers": multipliers},
    )


def solve_many(
    sample: Sample, sampling: np.ndarray, estimand: str, first: Solution, *, tol: float = 1e-9
) -> np.ndarray:
    """Weights for many vectors of sampling weights at once.

    Parameters
    ----------
    sample : Sample
    sampling : ndarray, shape (B, n)
    estimand : {"ATE", "ATT", "ATC"}
    first : Solution
        Of the sample itself, where the search starts.
    tol : float
        Largest imbalance left, in standard deviations.

    Returns
    -------
    ndarray, shape (B, n)
        NaN where a replica has no solution.
    """
    scale = rough_scales(sample.x)
    z = (sample.x - sample.x.mean(axis=0)) / scale
    out = np.empty(sampling.shape)
    todo = tasks(sample, estimand)
    order = np.concatenate([task.index for task in todo])
    sums = np.column_stack([np.ones(sample.n), z])
    if len(todo) == 1:
        sums[order] = 0.0  # the target is the other arm
    tilts: list[Tilts] = []

    def run(part: slice) -> None:
        rows = sampling[part]
        totals = rows @ sums
        with np.errstate(divide="ignore", invalid="ignore"):
            targets = totals[:, 1:] / totals[:, :1]
        pieces = []
        for task, tilt in zip(todo, tilts, strict=True):
            base = rows.take(task.index, axis=1)
            p, residual = tilt.solve(base, targets, tol=tol)
            p *= np.where(residual <= 1e-6, base.sum(axis=1), np.nan)[:, None]
            pieces.append(p)
        out[part] = rows
        out[part, order] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    # Chunks that stay in the cache: the work is exponentials and narrow products.
    parts = list(chunks(len(sampling), rows_per_chunk(4.0 * sample.n, 2**21)))
    with one_blas_thread():  # a pool that the preparation wakes would spin on the cores of the threads
        tilts += [Tilts.of(z[task.index], first.details["multipliers"][task.arm] * scale) for task in todo]
        map_threads(run, parts, parallel=sampling.size > 1 << 18)
    return out
