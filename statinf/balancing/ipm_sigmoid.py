"""Balancing the worst sigmoid: weights that minimise the sigmoid integral probability metric, by cutting planes.

The metric is the largest difference, over all directions and thresholds, between the target's and the weighted arm's mean
of ``s(a'x + b)`` with ``|a| <= slope`` on standardised columns. The weights minimise ``(4 / slope)^2 metric^2 + sum ridge
w^2``, which for a small slope is the squared distance of the means. Each round finds the sigmoids that the weights of the
round before balance worst, adds them to those found so far, and solves the program over all of them. Its value bounds the
optimum from below, the worst sigmoid found from above; the rounds end when the two meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator, one_blas_thread
from statinf.balancing.problem import BalanceProblem, Task, other_part, tasks
from statinf.balancing.solution import BalanceSolution, merge
from statinf.errors import ConvergenceError
from statinf.numerics.discrepancy.minimax import smallest_largest_gap
from statinf.numerics.discrepancy.sigmoids import Landscape, Sigmoids

_FIRST, _FRESH, _LAST = 100, 24, 128
"""Random starts in the first round, in every other one, and to confirm that no worse sigmoid is left."""
_STEPS = 2
_APART, _SAME = 0.15, 0.05
"""Distance of peaks that are followed as one, and of those that make one cut."""
_ADDED = 60
_MANY = 100
"""Cuts beyond which those that bind least are dropped."""
_NOTHING = 1e-10
"""A metric below which the target is reproduced."""
_SMALL = 1 << 21
"""Rows times squared columns up to which starting a second thread costs more than it saves."""


def solve_sigmoid(
    problem: BalanceProblem, *, form: str, slope: float, ridge: float, tol: float, max_iter: int
) -> BalanceSolution:
    """Weights of every arm; columns come standardised.

    Parameters
    ----------
    slope : float
        Largest length of `a`; infinite slopes would be indicators of half-spaces.
    ridge : float
        Price of the sum of squared weights; nonparametric weights only.
    tol : float
        Share of the objective that the answer may be above the lower bound.
    max_iter : int
        Rounds.
    """
    pieces, rows, found = {}, {}, []
    with one_blas_thread(problem.x.size * problem.x.shape[1] <= _SMALL):
        for task in tasks(problem):
            part, own = other_part(task) if form == "parametric" else (task, np.zeros(len(task.index)))
            one = _rounds(problem, part, form, slope, ridge, tol, max_iter).beside(own)
            pieces[task.arm], rows[task.arm] = one.v, task.index
            found.append((task.arm, one))
    return BalanceSolution(
        merge(problem, pieces, rows),
        None,
        iterations=max(one.rounds for _, one in found),
        residual=max(one.excess for _, one in found),
        details={
            "slope": slope,
            "sipm_before": [one.before for _, one in found],
            "sipm": [float(one.worst.gap[0]) for _, one in found],
            "worst_discriminator": {arm: one.describe(slope) for arm, one in found},
        },
    )


@dataclass(frozen=True)
class _SigmoidWeights:
    """One arm's weights `v` (m,), the worst sigmoid they leave, and how far the objective may be above the optimum."""

    v: np.ndarray
    worst: Sigmoids
    before: float
    excess: float
    rounds: int

    def beside(self, own: np.ndarray) -> _SigmoidWeights:
        """The answer for a target of which the arm's rows make up `own` (m,), and stand for it themselves."""
        rest = 1.0 - own.sum()
        worst = replace(self.worst, gap=rest * self.worst.gap)
        return replace(self, v=own + rest * self.v, worst=worst, before=rest * self.before)

    def describe(self, slope: float) -> dict:
        worst = self.worst
        return {
            "slope": slope * worst.direction[:, 0],
            "intercept": float(worst.shift[0]),
            "gap": float(worst.gap[0]),
        }


def _rounds(
    problem: BalanceProblem, task: Task, form: str, slope: float, ridge: float, tol: float, max_iter: int
) -> _SigmoidWeights:
    share = np.zeros(problem.n)
    share[task.index] = problem.s[task.index] / problem.s[task.index].sum()
    used = (share > 0) | (task.target > 0)
    arm = np.flatnonzero(share[used] > 0)
    share, target = share[used], task.target[used]
    land, random = Landscape.of(problem.x[used], slope), generator(problem.seed, task.arm)
    cost = ridge * (slope / 4.0) ** 2 / (share[arm] * len(arm)) if form == "nonparametric" else np.zeros(len(arm))
    step = _Step(share[arm], np.zeros(0), np.zeros(0, dtype=bool), 0.0, 0.0, np.zeros(land.x.shape[1]))
    solve = _free if form == "nonparametric" else _tilted
    peaks = land.climb(target - share, *land.scatter(_FIRST, random), steps=1)
    before = _highest(land, target - share, peaks)
    cuts, closest, pruned = peaks.take(np.zeros(0, dtype=int)), 1.0, 0.0
    for number in range(1, max_iter + 1):
        signed = target.copy()
        signed[arm] -= step.v
        excess = np.inf
        for last in (False, True):
            if last:
                more = land.climb(signed, *land.scatter(_LAST, random), steps=20, floor=0.7 * step.largest)
                peaks = peaks.join(more)
            elif number > 1:
                peaks = _climb(land, signed, peaks, random)
            worst = peaks.take(np.argmax(peaks.gap, keepdims=True))
            excess = (worst.gap[0] ** 2 + cost @ step.v**2) / max(step.lower, 1e-300) - 1.0
            # Equal weights that leave no gap are the optimum; so are tilted ones, which pay for gaps alone.
            if worst.gap[0] <= _NOTHING and (number == 1 or form == "parametric"):
                excess = 0.0
            if excess > tol:
                break
        else:
            return _SigmoidWeights(_among(problem, task, step.v), worst, before, excess, number)
        new = peaks.take(peaks.distinct(_SAME))
        new = new.take(np.flatnonzero(new.gap > step.largest)[:_ADDED])
        cuts, known = cuts.join(new), np.r_[step.multipliers, np.zeros(len(new.gap))]
        closest = min(closest, max(excess, tol))
        phi, mean = cuts.values[:, arm].T, cuts.values @ target
        step = solve(land.x[arm], share[arm], phi, mean, cost, step, known, 0.1 * closest)
        if len(mean) > _MANY and step.lower > pruned * (
            1.0 + 0.1 * tol
        ):  # else the same cuts might come and go for ever
            pruned = step.lower
            cuts = cuts.take(np.flatnonzero(step.binding))
            step = replace(step, multipliers=step.multipliers[step.binding])
    near = f"within {excess:.2g} of the optimum" if excess < 1e6 else "without a bound on the optimum yet"
    raise ConvergenceError(
        f"method='ipm' with ipm='sipm' reached max_iter={max_iter} rounds {near}, tol={tol:g}; raise max_iter=, tol= or "
        "ridge=, or lower slope=."
    )


def _highest(land: Landscape, signed: np.ndarray, peaks: Sigmoids) -> float:
    """The largest gap that can be reached from the best of some points."""
    best = peaks.take(np.argsort(-peaks.gap)[:16])
    return float(land.climb(signed, best.direction, best.shift, steps=20).gap.max())


def _among(problem: BalanceProblem, task: Task, v: np.ndarray) -> np.ndarray:
    """Weights of all rows of the arm from those of its rows with a sampling weight."""
    out = np.zeros(len(task.index))
    out[problem.s[task.index] > 0] = v
    return out


def _climb(land: Landscape, signed: np.ndarray, peaks: Sigmoids, random: Any) -> Sigmoids:
    """Where the peaks of the round before have moved, one of each cluster, and those reached from fresh random starts."""
    old = peaks.take(peaks.distinct(_APART))
    e, b = land.scatter(_FRESH, random)
    return land.climb(signed, np.column_stack([old.direction, e]), np.r_[old.shift, b], steps=_STEPS)


@dataclass(frozen=True)
class _Step:
    """Answer of the program over the cuts found so far.

    Attributes
    ----------
    v : ndarray, shape (m,)
    multipliers : ndarray, shape (k,)
    binding : ndarray of bool, shape (k,)
        Cuts that hold the weights where they are, or nearly.
    largest : float
        Largest gap among the cuts.
    lower : float
        Lower bound on the objective over all sigmoids.
    theta : ndarray, shape (p,)
        Of the exponential tilt; parametric weights only.
    """

    v: np.ndarray
    multipliers: np.ndarray
    binding: np.ndarray
    largest: float
    lower: float
    theta: np.ndarray


def _free(x, share, phi, mean, cost, last: _Step, multipliers, tol: float) -> _Step:
    """A weight for every row."""
    near = (last.v, multipliers) if last.lower > 0.0 else None
    found = smallest_largest_gap(phi, mean, cost, start=near, tol=tol)
    slack = found.largest - (mean - found.w @ phi)
    binding = found.multipliers * found.largest > 3.0 * slack * found.multipliers.mean()
    return _Step(found.w, found.multipliers, binding, found.largest, max(last.lower, found.lower), last.theta)


def _tilted(x, share, phi, mean, cost, last: _Step, multipliers, tol: float) -> _Step:
    """Weights proportional to ``s_i exp(x_i' theta)``."""
    p, size = x.shape[1], max(float(np.max(np.abs(mean - last.v @ phi))), 1e-12)

    def weigh(theta: np.ndarray) -> np.ndarray:
        eta = x @ theta
        w = share * np.exp(eta - eta.max())
        return w / w.sum()

    def slack(at: np.ndarray) -> np.ndarray:
        gap = (mean - weigh(at[:p]) @ phi) / size
        return np.r_[at[p] - gap, at[p] + gap]

    def slope(at: np.ndarray) -> np.ndarray:
        w = weigh(at[:p])
        rise, one = phi.T @ (w[:, None] * (x - w @ x)) / size, np.ones((len(mean), 1))
        return np.block([[rise, one], [-rise, one]])

    from scipy.optimize import minimize

    found = minimize(
        lambda at: (at[p], np.r_[np.zeros(p), 1.0]), np.r_[last.theta, 1.0], jac=True, method="SLSQP",
        constraints={"type": "ineq", "fun": slack, "jac": slope}, options={"ftol": 1e-9, "maxiter": 100},
    )  # fmt: skip
    v = weigh(found.x[:p])
    gap = np.abs(mean - v @ phi)
    largest = float(gap.max())
    # The program is not convex: its own value stands in for a lower bound.
    return _Step(v, multipliers, gap > 0.3 * largest, largest, largest**2, found.x[:p])
