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

from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks, map_threads, one_blas_thread, rows_per_chunk
from statinf.balancing.entropy_dose import estimate_dose
from statinf.balancing.feasibility import require_hull
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, tasks
from statinf.balancing.solution import BalanceSolution, Linear, expand_calibration, merge, side_by_side
from statinf.numerics.rowwise.scales import rough_scales, weights_at
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt
from statinf.numerics.tilting.calibration_batch import Tilts
from statinf.results.options import Options, count, number


@dataclass(frozen=True, kw_only=True)
class EntropyOptions(Options):
    """Options of entropy balancing."""

    d_moments: int = count(1, "of a dose: powers of it and of the columns whose means stay those of the sample")
    tol: float = number(1e-10, "largest imbalance left, in standard deviations", low=0.0, high=1.0, open_low=True)
    max_iter: int = count(100, "most evaluations of the dual")


def estimate(problem: BalanceProblem, options: EntropyOptions) -> BalanceSolution:
    """Weights with mean one in each arm.

    Raises
    ------
    InfeasibleError
        If no positive weights reproduce the target means; the message names the column and the gap.
    """
    todo, scale = tasks(problem), rough_scales(problem.x)
    tilts: dict[int, Tilt] = {}
    for task in todo:
        rows = ScaledRows.about_mean(problem.x, task.index, task.target, scale)
        base = weights_at(problem.s, task.index)
        tilt = exponential_tilt(rows, base, tol=options.tol, max_iter=options.max_iter)
        if not tilt.converged:
            require_hull(
                problem, task, method="entropy", residual=tilt.residual, iterations=tilt.iterations,
                max_iter=options.max_iter,
            )  # fmt: skip
        tilts[task.arm] = tilt
    values = merge(problem, {arm: tilt.p for arm, tilt in tilts.items()}, {task.arm: task.index for task in todo})

    def linear() -> Linear:
        at = {task.arm: values[task.index] for task in todo}
        return side_by_side(
            [expand_calibration(problem, task, problem.x, at[task.arm], at[task.arm], scale) for task in todo]
        )

    return BalanceSolution(
        values,
        linear,
        iterations=max(t.iterations for t in tilts.values()),
        residual=max(t.residual for t in tilts.values()),
        details={"multipliers": {arm: tilt.slope / scale for arm, tilt in tilts.items()}},
    )


def solve_many(
    problem: BalanceProblem, sampling: np.ndarray, first: BalanceSolution, *, tol: float = 1e-9
) -> np.ndarray:
    """Weights for many vectors of sampling weights at once.

    Parameters
    ----------
    problem : BalanceProblem
    sampling : ndarray, shape (B, n)
    first : BalanceSolution
        Of the problem itself, where the search starts.
    tol : float
        Largest imbalance left, in standard deviations.

    Returns
    -------
    ndarray, shape (B, n)
        NaN where a replica has no solution.
    """
    scale = rough_scales(problem.x)
    z = (problem.x - problem.x.mean(axis=0)) / scale
    out = np.empty(sampling.shape)
    todo = tasks(problem)
    order = np.concatenate([task.index for task in todo])
    sums = np.column_stack([np.ones(problem.n), z])
    if problem.estimand != "ATE":
        sums[order] = 0.0  # the target is one of the arms
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
    parts = list(chunks(len(sampling), rows_per_chunk(4.0 * problem.n, 2**21)))
    with one_blas_thread():  # a pool that the preparation wakes would spin on the cores of the threads
        tilts += [Tilts.of(z[task.index], first.details["multipliers"][task.arm] * scale) for task in todo]
        map_threads(run, parts, parallel=sampling.size > 1 << 18)
    return out


METHOD = BalanceMethod(
    verb="balance",
    name="entropy",
    estimate=estimate,
    several=estimate,
    doses=estimate_dose,
    cited={"dose": "Tuebbicke (2022), arXiv 2001.06281"},
    wants_dose=lambda options: options.d_moments > 1,
    options=EntropyOptions,
    summary="weights closest to uniform in entropy that reproduce the target's means exactly",
    citation="Hainmueller (2012)",
    guarantee="exact mean balance; stacked standard errors, target included",
    vignette="balance-ipm",
    solve_many=solve_many,
)
