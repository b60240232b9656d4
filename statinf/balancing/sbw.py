"""Stable balancing weights.

Zubizarreta, J. R. (2015), "Stable weights that balance covariates for estimation with incomplete outcome data", JASA
110(511), 910-922. Choice of the tolerance: Wang and Zubizarreta (2020), Biometrika 107(1), arXiv 1705.00998.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns; each reweighted arm can come
within the tolerances of the target means; an outcome that is linear in the columns, up to what the tolerance hides.

Among all nonnegative weights whose means come within ``tols`` standard deviations of the target's, those of least
variance. The standard deviation is the treated's for the ATT, the controls' for the ATC and ``sqrt((s1^2 + s0^2)/2)``
for the ATE, as R sbw. (R optweight's ATE ``tols`` is the difference allowed between arms: twice this one, and it does
not standardise binary columns.) Standard errors are those of calibration on the constraints that bind.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from statinf.balancing.arms import Sample, Solution, Task, expand_calibration, merge, side_by_side, tasks
from statinf.balancing.feasibility import require_hull, stopped
from statinf.balancing.order import content_order
from statinf.errors import ConvergenceError, InfeasibleError, OptionError
from statinf.numerics.rowwise.sums import Rows
from statinf.numerics.tilting.stable import StableWeights, stable_weights

CITATION = "stable balancing weights (Zubizarreta 2015)"


def all_levels(options: dict) -> bool:
    """Whether the reference level of factors is constrained too: with a tolerance it does not follow from the others."""
    tols = options.get("tols", 0.0)
    if isinstance(tols, str | Mapping):
        return True
    return bool(np.any(np.asarray(tols, dtype=np.float64) > 0)) and np.ndim(tols) == 0


GRID = (1e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1)
"""Tolerances that ``tols="auto"`` tries, those of R sbw."""


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    tols: float | np.ndarray | str = 0.0,
    negative: bool = False,
    seed: int = 0,
    tol: float = 1e-10,
    max_iter: int = 200,
) -> Solution:
    """Weights of least variance with bounded imbalance, mean one in each arm.

    Parameters
    ----------
    sample : Sample
    estimand : {"ATE", "ATT", "ATC"}
    tols : float, ndarray of shape (p,), or "auto"
        Largest imbalance in standard deviations; "auto" takes the value of the grid with the smallest imbalance of
        bootstrap samples.
    negative : bool
        Allow negative weights; with ``tols=0`` the estimate is then the regression imputation one.
    seed : int
        Of the bootstrap behind ``tols="auto"``.
    tol : float
        Optimality residual.
    max_iter : int

    Raises
    ------
    InfeasibleError
        Names the column that cannot come within its tolerance, the gap, and the smallest feasible tolerance.
    """
    todo = tasks(sample, estimand)
    scale = standardiser(sample, estimand)
    floor = -np.inf if negative else 0.0
    if isinstance(tols, str):
        if tols != "auto":
            raise OptionError(f"tols={tols!r} is not known; give a number, one number a column, or 'auto'.")
        chosen = {task.arm: _choose(sample, task, scale, floor, seed) for task in todo}
    else:
        chosen = {task.arm: _tolerance(tols, sample) for task in todo}
    found: dict[int, StableWeights] = {}
    for task in todo:
        rows = Rows(sample.x, task.target @ sample.x, scale, task.index, intercept=True)
        base, d = sample.s[task.index], chosen[task.arm]
        found[task.arm] = stable_weights(rows, base, d, floor=floor, tol=tol, max_iter=max_iter)
        one = found[task.arm]
        if not one.converged:
            if np.isfinite(floor):
                require_hull(
                    sample, task, method="sbw", residual=one.residual, iterations=one.iterations, max_iter=max_iter,
                    tolerance=d, scale=scale,
                )  # fmt: skip
            _refuse_span(sample, task, rows, d)
            raise stopped("sbw", f"a residual of {one.residual:.2g}", one.iterations, max_iter, "drop columns")
    pieces = {task.arm: _normalised(sample, task, found[task.arm].w) for task in todo}
    values = merge(sample, pieces, {task.arm: task.index for task in todo})

    def linear():
        parts = []
        for task in todo:
            one = found[task.arm]
            binding = (one.multipliers != 0) | (chosen[task.arm] == 0)
            z = sample.x[:, binding] / scale[binding]
            free = sample.s[task.index] * ((one.w > floor) if np.isfinite(floor) else 1.0)
            parts.append(expand_calibration(sample, task, z, values[task.index], free))
        return side_by_side(parts)

    return Solution(
        values,
        linear,
        iterations=max(f.iterations for f in found.values()),
        residual=max(f.residual for f in found.values()),
        details={
            "tols": {arm: d.copy() for arm, d in chosen.items()},
            "multipliers": {arm: f.multipliers / scale for arm, f in found.items()},
        },
    )


def _refuse_span(sample: Sample, task: Task, rows: Rows, tolerance: np.ndarray) -> None:
    """Raise if not even negative weights meet the constraints: exact ones beyond what the arm's rows span."""
    exact = np.r_[True, tolerance == 0.0]
    z = rows.matrix()[sample.s[task.index] > 0][:, exact]
    wanted = np.r_[1.0, np.zeros(z.shape[1] - 1)]
    left = z.T @ np.linalg.lstsq(z.T, wanted, rcond=1e-10)[0] - wanted
    if np.max(np.abs(left)) > 1e-6:
        worst = np.flatnonzero(exact[1:])[int(np.argmax(np.abs(left[1:])))]
        raise InfeasibleError(
            f"method='sbw': the {len(z)} {('control', 'treated')[task.arm]} rows do not span the target, so that no weights, not "
            f"even negative ones, bring the mean of {sample.names[worst]!r} to it; leave columns out or raise tols."
        )


def standardiser(sample: Sample, estimand: str) -> np.ndarray:
    """Standard deviations in which tolerances are meant, shape (p,)."""

    def variance(rows: np.ndarray) -> np.ndarray:
        x, s = sample.x[rows], sample.s[rows]
        mean = s @ x / s.sum()
        count = np.count_nonzero(s)
        correction = s.sum() / max(s.sum() - (s @ s) / s.sum(), 1e-300) if count > 1 else 1.0
        return correction * (s @ (x - mean) ** 2) / s.sum()

    t = sample.treated
    square = {
        "ATT": lambda: variance(t),
        "ATC": lambda: variance(~t),
        "ATE": lambda: (variance(t) + variance(~t)) / 2,
    }[estimand]()
    overall = sample.s @ (sample.x - sample.s @ sample.x / sample.s.sum()) ** 2 / sample.s.sum()
    # A column that is constant in the target arm still has to be balanced: fall back on the whole sample's spread.
    square = np.where(square > 1e-20 * np.maximum(overall, 1e-300), square, overall)
    return np.sqrt(np.where(square > 0, square, 1.0))


def _tolerance(tols: float | np.ndarray, sample: Sample) -> np.ndarray:
    d = np.asarray(tols, dtype=np.float64)
    if d.ndim > 1 or (d.ndim == 1 and len(d) != sample.x.shape[1]):
        raise OptionError(
            f"tols has {d.size} values for {sample.x.shape[1]} columns ({', '.join(sample.names)}); give one each."
        )
    if np.any(~np.isfinite(d)) or np.any(d < 0):
        raise OptionError(f"tols={tols!r} must be finite and not negative: standard deviations of allowed imbalance.")
    return np.broadcast_to(d, sample.x.shape[1]).copy()


def _normalised(sample: Sample, task: Task, w: np.ndarray) -> np.ndarray:
    p = w * sample.s[task.index]
    return p / p.sum()


def _choose(sample: Sample, task: Task, scale: np.ndarray, floor: float, seed: int, draws: int = 1000) -> np.ndarray:
    """The tolerance of the grid whose weights balance bootstrap samples of the arm best."""
    from statinf.backend import generator

    index = task.index[content_order(*sample.x[task.index].T, sample.s[task.index])]
    rows = Rows(sample.x, task.target @ sample.x, scale, index, intercept=True)
    base, k = sample.s[index], sample.x.shape[1]
    z = rows.matrix()[:, 1:]
    m = len(z)
    counts = generator(seed, task.arm).multinomial(m, np.full(m, 1.0 / m), size=draws).astype(np.float64)
    best, best_gap = None, np.inf
    for value in GRID:
        d = np.full(k, value)
        found = stable_weights(rows, base, d, floor=floor)
        if not found.converged:
            continue
        w = counts * (found.w * base)
        gap = float(np.mean(np.linalg.norm((w @ z) / np.maximum(w.sum(axis=1), 1e-300)[:, None], axis=1)))
        if gap < best_gap:
            best, best_gap = d, gap
    if best is None:
        require_hull(
            sample,
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
