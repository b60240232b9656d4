"""Energy balancing.

Huling, J. D. and Mak, S. (2024), "Energy balancing of covariate distributions", Journal of Causal Inference 12(1), arXiv
2004.13962.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns and overlap; nothing about the form
of propensity or outcome.

The weights minimise the energy distance between each reweighted arm and the target (for the ATE also between every two arms,
``improved``) plus ``ridge / 2`` times the sum of squared weights. There is no root-n theory in general; by default
the standard errors treat the weights as fixed, and the label says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import progress_bar
from statinf.balancing.energy_dose import estimate_dose
from statinf.balancing.feasibility import stopped
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, Task, tasks
from statinf.balancing.solution import BalanceSolution, merge
from statinf.errors import ConvergenceError, NumericalWarning, OptionError, issue_warning
from statinf.numerics.kernels.distances import distances
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.programs.simplex_pivoting import Dense, SimplexSolution, simplex_qp
from statinf.numerics.tilting.ridge_dual import FeatureMatch, match_features
from statinf.results.options import Options, count, flag, number

MAX_DENSE = 10_000
"""Reweighted rows up to which the distance matrix is held in memory."""


@dataclass(frozen=True, kw_only=True)
class EnergyOptions(Options):
    """Options of energy balancing."""

    improved: bool | None = flag(
        None, "ATE: add the energy distances between the weighted arms, as is done unless rank is given"
    )
    ridge: float = number(1e-4, "price of half the sum of squared weights, these normalised", low=0.0)
    min_w: float | None = number(
        None,
        "least weight, relative to the mean of the arm; 1e-8 unless given",
        low=0.0,
        high=1.0,
        open_high=True,
        also=(None,),
    )
    exact: bool = flag(False, "of a dose: set correlations to zero and keep means, besides")
    rank: int | None = count(
        None, "balance the energy distance within this many leading directions of its kernel, one arm at a time, in memory "
        "proportional to rows times rank; 1000, with a warning, above 10,000 reweighted rows", also=(None,),
    )  # fmt: skip
    tol: float = number(1e-9, "optimality residual", low=0.0, high=1.0, open_low=True)
    max_iter: int = count(500, "most steps of the quadratic program")

    def check(self) -> None:
        """Refuse options that exclude each other."""
        if self.rank is not None and self.improved:
            raise OptionError("rank= balances one arm at a time, improved=True both together; give one of them.")
        if self.rank is not None and self.min_w is not None:
            raise OptionError(
                "min_w= bounds the weights of the whole program; with rank= they may vanish: leave it out."
            )


def estimate(problem: BalanceProblem, options: EnergyOptions) -> BalanceSolution:
    """Energy balancing weights with mean one in each arm."""
    todo, rank = tasks(problem), options.rank
    z = problem.x / distance_scale(problem)
    reweighted = sum(len(task.index) for task in todo)
    if rank is None and reweighted > MAX_DENSE:
        issue_warning(
            f"method='energy': {reweighted} reweighted rows need a matrix of distances too large to hold; "
            "the 1000 leading directions of the distance are balanced, one arm at a time. Give rank= to choose.",
            NumericalWarning,
        )
        rank = 1000
    if rank is not None:
        return _leading_directions(problem, todo, z, rank, options)
    index = np.concatenate([task.index for task in todo])
    groups = np.concatenate([np.full(len(task.index), g) for g, task in enumerate(todo)])
    share = np.concatenate([problem.s[task.index] / problem.s[task.index].sum() for task in todo])
    keep = share > 0
    index, groups, share = index[keep], groups[keep], share[keep]
    own = distances(z[index], z[index])
    linear = 2.0 * _target_distance(z, index, todo[0].target)
    same = np.equal.outer(groups, groups)
    between = options.improved is not False and problem.estimand == "ATE"
    # Each arm's distance to the target, and those between all pairs of arms.
    matrix = own * (np.where(same, -2.0 * len(todo), 2.0) if between else -2.0 * same)
    matrix[np.diag_indices_from(matrix)] += options.ridge
    least = 1e-8 if options.min_w is None else options.min_w
    # Constant on the feasible set, this makes the conditionally definite matrix positive definite.
    lift = same * (40.0 * float(own.mean()))
    try:
        found = simplex_qp(
            Dense(matrix + lift), linear, groups, least * share, tol=options.tol, max_iter=options.max_iter
        )
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            f"method='energy': rows of equal columns leave their weights undetermined with ridge={options.ridge:g}; raise ridge=."
        ) from None
    if not found.converged:
        raise stopped_short(found, options)
    pieces, rows = {}, {}
    for g, task in enumerate(todo):
        rows[task.arm] = index[groups == g]
        pieces[task.arm] = found.v[groups == g] / found.v[groups == g].sum()
    values = merge(problem, pieces, rows)
    details = {"objective": float(0.5 * found.v @ (matrix @ found.v) + linear @ found.v), "ridge": options.ridge}
    return BalanceSolution(values, None, found.iterations, found.residual, details=details)


def _leading_directions(
    problem: BalanceProblem, todo: tuple[Task, ...], z: np.ndarray, rank: int, options: EnergyOptions
) -> BalanceSolution:
    """Energy balancing in the span of leading directions of ``|x| + |y| - |x - y|``, the kernel behind the energy distance."""
    centred = z - problem.s @ z / problem.s.sum()
    norms = np.linalg.norm(centred, axis=1)

    def columns(at: np.ndarray) -> np.ndarray:
        return norms[:, None] + norms[at] - distances(centred, centred[at])

    factor = pivoted_cholesky(columns, 2.0 * norms, tol=1e-10, max_rank=min(rank, problem.n), partial=True)
    assert factor is not None
    pieces, rows, residual, iterations = {}, {}, 0.0, 0
    for task in todo:
        index = task.index[problem.s[task.index] > 0]
        price = np.full(len(index), max(options.ridge, 1e-10) / 2.0)
        target, tol = task.target @ factor, max(options.tol, 1e-9)
        found = match_features(factor[index], target, price, 1.0, tol=tol, max_iter=options.max_iter)
        if not found.converged:
            raise stopped_short(found, options)
        pieces[task.arm], rows[task.arm] = found.v, index
        residual, iterations = max(residual, found.residual), iterations + found.iterations
    left = 1.0 - float(np.sum(factor**2) / np.sum(2.0 * norms))
    details = {"rank": factor.shape[1], "trace_left": left, "ridge": options.ridge}
    return BalanceSolution(merge(problem, pieces, rows), None, iterations, residual, details=details)


def stopped_short(found: SimplexSolution | FeatureMatch, options: EnergyOptions) -> ConvergenceError:
    """The error of a program that ended before its optimum."""
    left, advice = f"a residual of {found.residual:.2g}", f"raise ridge= (now {options.ridge:g})"
    return stopped("energy", left, found.iterations, options.max_iter, advice)


def distance_scale(problem: BalanceProblem) -> np.ndarray:
    """Standard deviations of the columns over the whole sample, shape (p,)."""
    s = problem.s
    mean = s @ problem.x / s.sum()
    correction = s.sum() - (s @ s) / s.sum()
    variance = s @ (problem.x - mean) ** 2 / max(correction, 1e-300)
    return np.sqrt(np.where(variance > 0, variance, 1.0))


def _target_distance(z: np.ndarray, index: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``sum_j target_j ||z_i - z_j||`` for the rows of `index`, in blocks."""
    out = np.zeros(len(index))
    mass = np.flatnonzero(target)
    for start in progress_bar(range(0, len(mass), 4096), label="distances"):
        block = mass[start : start + 4096]
        out += distances(z[index], z[block]) @ target[block]
    return out


METHOD = BalanceMethod(
    verb="balance",
    name="energy",
    estimate=estimate,
    several=estimate,
    doses=estimate_dose,
    wants_dose=lambda options: options.exact,
    cited={"dose": "Huling, Greifer and Chen (2024), arXiv 2107.07086"},
    options=EnergyOptions,
    summary="weights of the smallest energy distance between whole distributions",
    citation="Huling and Mak (2024)",
    arxiv="2004.13962",
    guarantee="balances whole distributions; standard errors with weights as known",
    vignette="balance-ipm",
    all_levels=lambda options: True,
    fixed="energy balancing has no root-n theory to expand them; the intervals are conservative where columns explain the "
    "outcome.",
)
