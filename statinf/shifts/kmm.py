"""Kernel mean matching.

Huang, Smola, Gretton, Borgwardt and Schoelkopf (2007, Advances in Neural Information Processing Systems 19); Gretton,
Smola, Huang, Schmittfull, Borgwardt and Schoelkopf (2009, Dataset Shift in Machine Learning, chapter 8): weights on the
source rows under which the mean embedding of the source in a Gaussian kernel space is that of the target,

    minimise  w'(K + ridge I)w / 2 - k'w   over 0 <= w <= bound, |sum w - n| <= n eps.

Without a ridge the problem is degenerate: weights of very different shape have the same objective to many digits, and
the minimiser sits on a few rows. The ridge makes the minimiser unique and, through its optimality conditions, defines
the ratio at new rows as the function whose values at the source rows are the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import progress_bar
from statinf.brief import Brief
from statinf.errors import NotIdentifiedError, OptionError
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.programs.band_qp import BandSolution, solve_band_qp
from statinf.results.methods import Method
from statinf.results.options import number
from statinf.shifts.kernels import GaussianKernelOptions, bandwidths, in_units, kernel_sums, rbf
from statinf.shifts.ratio_estimate import RatioEstimate
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling

FACTOR_TOLERANCE = 1e-11


@dataclass(frozen=True, kw_only=True)
class KmmOptions(GaussianKernelOptions):
    """Options of kernel mean matching."""

    ridge: float = number(1.0, "penalty on the squared weights; 0 leaves the weights of new rows undefined", low=0)
    bound: float = number(1000.0, "largest weight", low=0, open_low=True)
    eps: float | None = number(
        None,
        "slack of the mean weight around one; by default 0.05 from 400 rows, 1 / sqrt(n) below",
        low=0,
        also=(None,),
    )


@dataclass(frozen=True, repr=False)
class MatchedRatio(Brief):
    """The ratio that the optimality conditions define off the source rows.

    Attributes
    ----------
    source, target : ndarray, shape (n, p) and (m, p)
        Scaled columns.
    mass : ndarray, shape (n,)
        Row weight times ratio of the source rows.
    target_mass : ndarray, shape (m,)
        Row weights scaled to the source's total.
    bandwidth, ridge, bound, multiplier : float
    scaling : Scaling
    """

    source: np.ndarray
    target: np.ndarray
    mass: np.ndarray
    target_mass: np.ndarray
    bandwidth: float
    ridge: float
    bound: float
    multiplier: float
    scaling: Scaling

    def at(self, x: np.ndarray) -> np.ndarray:
        if self.ridge == 0.0:
            raise NotIdentifiedError(
                "kernel mean matching with ridge=0 has weights on the source rows only; a positive ridge defines them "
                "for new rows."
            )
        x = self.scaling.apply(x)
        pull = kernel_sums(x, self.target, self.target_mass, self.bandwidth)
        own = kernel_sums(x, self.source, self.mass, self.bandwidth)
        return np.clip((pull - own - self.multiplier) / self.ridge, 0.0, self.bound)


def estimate(samples: Samples, options: KmmOptions) -> RatioEstimate:
    """Solve the quadratic programme."""
    n, ws = len(samples.xs), samples.ws
    ridge, bound = options.ridge, options.bound
    slack = (0.05 if n >= 400 else 1.0 / np.sqrt(n)) if options.eps is None else options.eps
    if bound < 1 - slack:
        raise OptionError(f"bound={bound!r} is below the mean weight of 1 that the band asks for; raise it.")
    scaling, xs, xt = in_units(samples, options.scale)
    width = float(bandwidths(options.bandwidth, np.concatenate([xs, xt]), samples.seed)[0])
    target_mass = samples.wt * (ws.sum() / samples.wt.sum())
    pull = kernel_sums(xs, xt, target_mass, width)
    solution = _solve(xs, ws, pull, width, ridge, bound, slack)
    ratio = solution.values / np.sqrt(ws)
    rule = MatchedRatio(xs, xt, ws * ratio, target_mass, width, ridge, bound, solution.multiplier, scaling)
    settings = {"bandwidth": width, "ridge": ridge, "bound": bound, "eps": slack}
    facts = _discrepancies(xs, xt, ws, ws * ratio, target_mass, pull, width)
    return RatioEstimate(rule, ratio, settings, facts=facts | {"objective": solution.objective})


def _discrepancies(
    x: np.ndarray,
    xt: np.ndarray,
    ws: np.ndarray,
    mass: np.ndarray,
    target_mass: np.ndarray,
    pull: np.ndarray,
    bandwidth: float,
) -> dict[str, float]:
    """Squared maximum mean discrepancy of the source from the target, before and after weighting."""
    total = target_mass.sum()
    constant = float(target_mass @ kernel_sums(xt, xt, target_mass, bandwidth))
    both = np.column_stack([ws, mass])
    square = np.einsum("ik,ik->k", both, kernel_sums(x, x, both, bandwidth))
    before, after = np.maximum(0.0, square - 2.0 * pull @ both + constant) / total**2
    return {"MMD^2 before": float(before), "MMD^2 after": float(after)}


def _solve(
    x: np.ndarray, ws: np.ndarray, pull: np.ndarray, bandwidth: float, ridge: float, bound: float, slack: float
) -> BandSolution:
    """The programme in u = sqrt(row weight) ratio, under which row weights leave the ridge a multiple of I."""
    root = np.sqrt(ws)

    def columns(at: np.ndarray) -> np.ndarray:
        return rbf(x, x[at], bandwidth)

    factor = pivoted_cholesky(columns, np.ones(len(x)), tol=FACTOR_TOLERANCE, max_rank=len(x))
    assert factor is not None  # the rank may reach n
    scaled = factor * root[:, None]
    total = float(ws.sum())
    band = (total * max(0.0, 1.0 - slack), total * (1.0 + slack))
    problem = (bound * root, root, band)
    linear = pull * root
    if ridge > 0:
        return solve_band_qp(scaled, linear, ridge, *problem)
    return _without_ridge(scaled, linear, problem)


def _without_ridge(factor: np.ndarray, linear: np.ndarray, problem: tuple[Any, ...]) -> BandSolution:
    """Proximal point steps: each is a ridge programme around the last point; the objective converges, weights do not."""
    n = len(linear)
    proximity = 1e-1
    u = np.full(n, problem[2][0] / max(1.0, float(problem[1].sum())))
    best = np.inf
    solution = None
    for _ in progress_bar(range(200), label="proximal steps, at most"):
        solution = solve_band_qp(factor, linear + proximity * u, proximity, *problem, start=u, tolerance=1e-10)
        u = solution.values
        inner = factor.T @ u
        objective = 0.5 * float(inner @ inner) - float(linear @ u)
        if best - objective <= 1e-9 * abs(objective) and proximity <= 1e-4:
            break
        best, proximity = objective, max(proximity * 0.5, 1e-4)
    assert solution is not None
    return BandSolution(u, solution.multiplier, objective, solution.iterations, solution.residual)


METHOD = Method(
    verb="density_ratio",
    name="kmm",
    estimate=estimate,
    options=KmmOptions,
    summary="kernel mean matching: weights under which the source's mean embedding in a Gaussian kernel space is the target's",
    citation="Huang, Smola, Gretton, Borgwardt and Schölkopf (2007)",
    guarantee="minimises the maximum mean discrepancy; unique by its ridge",
    vignette="covariate-shift",
    traits={"weights doubled": "weights count rows, and against more of them the ridge weighs less"},
)
