"""Stable balancing weights.

Zubizarreta, J. R. (2015), "Stable weights that balance covariates for estimation with incomplete outcome data", JASA
110(511), 910-922. Choice of the tolerance: Wang and Zubizarreta (2020), Biometrika 107(1), arXiv 1705.00998.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns; each reweighted arm can come
within the tolerances of the target means; an outcome that is linear in the columns, up to what the tolerance hides.

Among all nonnegative weights whose means come within ``tols`` standard deviations of the target's, those of least
variance. The standard deviation is the treated's for the ATT, the controls' for the ATC and ``sqrt((s1^2 + s0^2)/2)``
for the ATE, as R sbw; of several arms the mean of all their variances. (R optweight's ATE ``tols`` is the difference
allowed between arms: twice this one, and it does not standardise binary columns.) Standard errors are those of calibration
on the constraints that bind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.feasibility import require_hull, stopped
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, Task, tasks
from statinf.balancing.solution import BalanceSolution, Linear, expand_calibration, merge, side_by_side
from statinf.errors import ConvergenceError, InfeasibleError, OptionError
from statinf.numerics.order.content import content_order
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.stable import StableWeights, stable_weights
from statinf.results.options import Options, count, flag, number, value

GRID = (1e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1)
"""Tolerances that ``tols="auto"`` tries, those of R sbw."""


def _check_tols(name: str, given: Any) -> Any:
    if isinstance(given, str):
        if given != "auto":
            raise OptionError(
                f"{name}={given!r} is not known; give a number, one number per column, a mapping, or 'auto'."
            )
        return given
    try:
        d = np.asarray(list(given.values()) if isinstance(given, Mapping) else given, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(
            f"{name}={given!r} holds no numbers; give one, one per column, a mapping, or 'auto'."
        ) from None
    if d.ndim > 1 or np.any(~np.isfinite(d)) or np.any(d < 0):
        raise OptionError(
            f"{name}={given!r} must be finite and not negative: standard deviations of allowed imbalance."
        )
    return dict(given) if isinstance(given, Mapping) else d


@dataclass(frozen=True, kw_only=True)
class StableOptions(Options):
    """Options of stable balancing weights."""

    tols: Any = value(
        0.0, "largest imbalance allowed, in standard deviations; 'auto' takes the value of a grid that balances bootstrap "
        "samples best", "a number, one number per column, a mapping from columns or terms to numbers, or 'auto'", _check_tols,
    )  # fmt: skip
    negative: bool = flag(False, "allow negative weights; with tols=0 these are those of regression imputation")
    tol: float = number(1e-10, "optimality residual", low=0.0, high=1.0, open_low=True)
    max_iter: int = count(200, "most evaluations of the dual")


def all_levels(options: StableOptions) -> bool:
    """Whether the reference level of factors is constrained too: with a tolerance it does not follow from the others."""
    if isinstance(options.tols, str | Mapping):
        return True
    return np.ndim(options.tols) == 0 and bool(np.asarray(options.tols) > 0)


def estimate(problem: BalanceProblem, options: StableOptions) -> BalanceSolution:
    """Weights of least variance with bounded imbalance, mean one in each arm.

    Raises
    ------
    InfeasibleError
        Names the column that cannot come within its tolerance, the gap, and the smallest feasible tolerance.
    """
    todo, scale = tasks(problem), standardiser(problem)
    floor = -np.inf if options.negative else 0.0
    if isinstance(options.tols, str):
        chosen = {task.arm: _choose(problem, task, scale, floor) for task in todo}
    else:
        chosen = {task.arm: _tolerances(options.tols, problem) for task in todo}
    found = {task.arm: _solve(problem, task, scale, chosen[task.arm], floor, options) for task in todo}
    pieces = {task.arm: _normalised(problem, task, found[task.arm].w) for task in todo}
    values = merge(problem, pieces, {task.arm: task.index for task in todo})

    def linear() -> Linear:
        parts = []
        for task in todo:
            one = found[task.arm]
            binding = (one.multipliers != 0) | (chosen[task.arm] == 0)
            z = problem.x[:, binding] / scale[binding]
            free = problem.s[task.index] * ((one.w > floor) if np.isfinite(floor) else 1.0)
            parts.append(expand_calibration(problem, task, z, values[task.index], free))
        return side_by_side(parts)

    return BalanceSolution(
        values,
        linear,
        iterations=max(f.iterations for f in found.values()),
        residual=max(f.residual for f in found.values()),
        details={
            "tols": {arm: d.copy() for arm, d in chosen.items()},
            "multipliers": {arm: f.multipliers / scale for arm, f in found.items()},
        },
    )


def _solve(
    problem: BalanceProblem, task: Task, scale: np.ndarray, tols: np.ndarray, floor: float, options: StableOptions
) -> StableWeights:
    rows = ScaledRows(problem.x, task.target @ problem.x, scale, task.index, intercept=True)
    base = problem.s[task.index]
    one = stable_weights(rows, base, tols, floor=floor, tol=options.tol, max_iter=options.max_iter)
    if one.converged:
        return one
    if np.isfinite(floor):
        require_hull(
            problem, task, method="sbw", residual=one.residual, iterations=one.iterations, max_iter=options.max_iter,
            tolerance=tols, scale=scale,
        )  # fmt: skip
    _refuse_span(problem, task, rows, tols)
    raise stopped("sbw", f"a residual of {one.residual:.2g}", one.iterations, options.max_iter, "drop columns")


def _refuse_span(problem: BalanceProblem, task: Task, rows: ScaledRows, tolerance: np.ndarray) -> None:
    """Raise if not even negative weights meet the constraints: exact ones beyond what the arm's rows span."""
    exact = np.r_[True, tolerance == 0.0]
    z = rows.matrix()[problem.s[task.index] > 0][:, exact]
    wanted = np.r_[1.0, np.zeros(z.shape[1] - 1)]
    left = z.T @ np.linalg.lstsq(z.T, wanted, rcond=1e-10)[0] - wanted
    if np.max(np.abs(left)) > 1e-6:
        worst = np.flatnonzero(exact[1:])[int(np.argmax(np.abs(left[1:])))]
        raise InfeasibleError(
            f"method='sbw': the {len(z)} {problem.arms[task.arm]} rows do not span the target, so that no weights, not "
            f"even negative ones, bring the mean of {problem.names[worst]!r} to it; leave columns out or raise tols."
        )


def standardiser(problem: BalanceProblem) -> np.ndarray:
    """Standard deviations in which tolerances are meant, shape (p,)."""

    def variance(rows: np.ndarray) -> np.ndarray:
        x, s = problem.x[rows], problem.s[rows]
        mean = s @ x / s.sum()
        several = np.count_nonzero(s) > 1
        correction = s.sum() / max(s.sum() - (s @ s) / s.sum(), 1e-300) if several else 1.0
        return correction * (s @ (x - mean) ** 2) / s.sum()

    if problem.estimand == "ATE":
        arms = range(len(problem.arms))
        square = sum(variance(problem.treatment == arm) for arm in reversed(arms)) / len(arms)
    else:
        square = variance(problem.treatment == (problem.focal if problem.estimand == "ATT" else 0))
    overall = problem.s @ (problem.x - problem.s @ problem.x / problem.s.sum()) ** 2 / problem.s.sum()
    # A column that is constant in the target arm still has to be balanced: fall back on the whole sample's spread.
    square = np.where(square > 1e-20 * np.maximum(overall, 1e-300), square, overall)
    return np.sqrt(np.where(square > 0, square, 1.0))


def _tolerances(tols: Any, problem: BalanceProblem) -> np.ndarray:
    """One tolerance per column, shape (p,); columns and terms that a mapping does not name must balance exactly."""
    if not isinstance(tols, Mapping):
        if np.ndim(tols) == 1 and len(tols) != len(problem.names):
            raise OptionError(
                f"tols has {len(tols)} values for {len(problem.names)} columns ({', '.join(problem.names)}); give one each."
            )
        return np.broadcast_to(tols, len(problem.names)).astype(np.float64)
    out = np.zeros(len(problem.names))
    for key, given in tols.items():
        hit = [key in (name, term) for name, term in zip(problem.names, problem.terms, strict=True)]
        if not any(hit):
            raise OptionError(f"tols names {key!r}, which is not balanced; the columns are {', '.join(problem.names)}.")
        out[hit] = given
    return out


def _normalised(problem: BalanceProblem, task: Task, w: np.ndarray) -> np.ndarray:
    p = w * problem.s[task.index]
    return p / p.sum()


def _choose(problem: BalanceProblem, task: Task, scale: np.ndarray, floor: float, draws: int = 1000) -> np.ndarray:
    """The tolerance of the grid whose weights balance bootstrap samples of the arm best."""
    from statinf.backend import generator

    index = task.index[content_order(*problem.x[task.index].T, problem.s[task.index])]
    rows = ScaledRows(problem.x, task.target @ problem.x, scale, index, intercept=True)
    base, k = problem.s[index], problem.x.shape[1]
    z = rows.matrix()[:, 1:]
    m = len(z)
    counts = generator(problem.seed, task.arm).multinomial(m, np.full(m, 1.0 / m), size=draws).astype(np.float64)
    best, best_gap = None, np.inf
    for tolerance in GRID:
        d = np.full(k, tolerance)
        found = stable_weights(rows, base, d, floor=floor)
        if not found.converged:
            continue
        w = counts * (found.w * base)
        gap = float(np.mean(np.linalg.norm((w @ z) / np.maximum(w.sum(axis=1), 1e-300)[:, None], axis=1)))
        if gap < best_gap:
            best, best_gap = d, gap
    if best is None:
        require_hull(
            problem,
            task,
            method="sbw",
            residual=1.0,
            iterations=0,
            max_iter=1,
            tolerance=np.full(k, GRID[-1]),
            scale=scale,
        )
        raise ConvergenceError("method='sbw': no tolerance of the grid converged; give tols as a number.")
    return best


METHOD = BalanceMethod(
    verb="balance",
    name="sbw",
    estimate=estimate,
    several=estimate,
    options=StableOptions,
    summary="weights of least variance among those whose means come within tols of the target's",
    citation="Zubizarreta (2015); Wang and Zubizarreta (2020)",
    arxiv="1705.00998",
    guarantee="least variance within the tolerances; stacked standard errors",
    vignette="balance-ipm",
    all_levels=all_levels,
)
