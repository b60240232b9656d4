"""Kernel balancing for missing outcomes.

Li, Zheng, Xiao, Wu, Geng, Chen and Cui (2024), "Debiased collaborative filtering with kernel-based causal balancing", ICLR,
arXiv 2404.19596.

Estimand: the mean of an outcome over all rows, those without it among them. Assumptions: outcomes are missing at random given
the covariates, and the outcome's regression is close to the span of the balanced functions, or the base probability is right.

Weights w of the observed rows, p = w / sum w, minimise ``sum p log(p / q) + slack sum_j (|imbalance_j| - tols)_+`` with exact
balance of the covariates (`linear`), q the inverse probabilities of a logit. The dual is solved exactly. The paper states the
entropy of w, whose price is `slack` times the number of rows; here prices are per unit of p, so that they do not depend on n.
Its program sums imbalances before the hinge, so that those of opposite sign cancel; here each function has its own.

Standard errors stack the equations of the base logit, of the active constraints with their estimated targets, and of a least
squares imputation; which constraints are active, and the anchors, are taken as given. Adaptive anchors are chosen by outcomes:
in two folds, each of which is balanced where the outcomes of the other put its functions, so that no weight has seen the
outcome that it multiplies. In simulations (benchmarks/results/missing_mean_coverage.md) this and anchors by all outcomes cover
alike; with 200 rows every choice of 20 functions covers .84 to .92, and half of the rows for each fold cost precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import one_blas_thread
from statinf.balancing.feasibility import reach
from statinf.balancing.missing.aipw import imputed_by
from statinf.balancing.missing.anchors import ANCHORS, distinct_rows
from statinf.balancing.missing.functions import Functions, functions_of
from statinf.balancing.missing.ipw import learns
from statinf.balancing.missing.kernels import KERNELS, RowKernel
from statinf.balancing.missing.mean import solve_mean
from statinf.balancing.missing.problem import Imputed, MeanSolution, MissingProblem, RowWeights
from statinf.balancing.missing.propensity import Observing, logit_of
from statinf.balancing.solution import Linear
from statinf.errors import ConvergenceError, InfeasibleError, OptionError
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.numerics.tilting.hinged import HingedTilt, hinged_tilt
from statinf.results.methods import Method
from statinf.results.options import Options, choice, count, flag, number, value


@dataclass(frozen=True, kw_only=True)
class KernelMissingOptions(Options):
    """Options of kernel balancing for missing outcomes."""

    anchors: str = choice(
        "random", ANCHORS, "rows at which kernel functions stand: drawn, those balanced worst, those with the largest "
        "coefficients in the outcome's regression, or all distinct ones",
    )  # fmt: skip
    n_anchors: int = count(20, "kernel functions, unless all")
    anchor_folds: int = count(2, "folds of adaptive anchors, each balanced by itself at anchors that the outcomes of the others "
        "chose; 1 chooses by all outcomes")  # fmt: skip
    tols: float = number(1e-3, "largest imbalance allowed in a kernel function, whose values lie in (0, 1]", low=0.0)
    slack: float = number(
        100.0, "price of each unit of imbalance beyond it; infinite for none", low=0.0, open_low=True, infinite=True
    )
    kernel: str = choice("gaussian", KERNELS, "kernel on standardised covariates")
    bandwidth: float | str = number(
        "median", "of the kernel, in standard deviations; by default the median distance between rows", low=0.0,
        open_low=True, also=("median",),
    )  # fmt: skip
    base: str = choice(
        "logit", ("logit", "uniform"), "weights before balancing: inverse probabilities of a logit, or equal"
    )
    linear: bool = flag(True, "balance the covariates exactly too")
    augmented: bool = flag(False, "add predicted outcomes of all rows, and weight the residuals")
    outcome_model: Any = value(
        None, "learner behind them: least squares under the weights by default; others are cross-fitted, and need "
        "augmented=True", "a learner's name, or an object with fit and predict", learns("mean"),
    )  # fmt: skip
    folds: int = count(5, "folds of cross-fitted learners; with cluster= whole clusters share a fold", low=2)
    max_iter: int = count(200, "most evaluations of the dual")

    def check(self) -> None:
        if self.outcome_model is not None and not self.augmented:
            raise OptionError("outcome_model= predicts what augmented=True adds; give both, or neither.")


def estimate(problem: MissingProblem, options: KernelMissingOptions) -> MeanSolution:
    """The mean under balancing weights, augmented where asked for."""
    base = _base(problem, options)
    with one_blas_thread():  # narrow products, whose threads would cost more than they save
        weights = balanced(problem, options, base)
    if not options.augmented:
        return solve_mean(problem, weights)
    model = "lm" if options.outcome_model is None else options.outcome_model
    imputed = imputed_by(problem, model, weights.values, options.folds, moves=True)
    return solve_mean(problem, weights, imputed)


def _base(problem: MissingProblem, options: KernelMissingOptions) -> Observing:
    if options.base == "uniform":
        return Observing(np.ones(problem.n), np.zeros((problem.n, 0)), np.zeros(problem.n))
    return logit_of(problem, "Leave the separating covariates out, or use base='uniform'.")


def _error(problem: MissingProblem, options: KernelMissingOptions, rows: np.ndarray) -> np.ndarray:
    """What adaptive anchors project, of observed rows (a mask): the outcome, or what an imputation from them leaves."""
    if not options.augmented or options.anchors != "adaptive":
        return problem.y
    model = "lm" if options.outcome_model is None else options.outcome_model
    found: Imputed = imputed_by(replace(problem, observed=rows), model, np.where(rows, problem.s, 0.0), options.folds)
    return np.where(rows, problem.y - found.values, 0.0)


def balanced(problem: MissingProblem, options: KernelMissingOptions, base: Observing) -> RowWeights:
    """Weights of the observed rows that balance kernel functions and covariates; their sum is that of `problem.s`."""
    z, at = problem.standard.z[:, 1:], problem.index
    if problem.observed.all():
        nothing = Linear(np.zeros((problem.n, 0)), np.zeros((problem.n, 0)), np.zeros(problem.n))
        return RowWeights(problem.s.copy(), nothing, {"Balanced": "nothing: every outcome is observed"})
    q = np.where(problem.observed, problem.s / base.e, 0.0)
    q *= problem.total / q.sum()
    kernel = RowKernel.of(options.kernel, options.bandwidth, z, distinct_rows(z, problem.observed, problem.s))
    folds = options.anchor_folds if options.anchors == "adaptive" and z.shape[1] else 1
    chosen = functions_of(
        problem, kernel, q, partial(_error, problem, options), options.anchors, options.n_anchors, folds, options.linear
    )
    features, exactly = chosen.values, chosen.exactly
    tolerance = np.where(exactly, 0.0, options.tols * chosen.share)
    price = np.where(exactly, np.inf, options.slack)
    tilt = hinged_tilt(features[at], q[at], tolerance, price, max_iter=options.max_iter)
    if not tilt.converged:
        raise _unsolved(problem, chosen, tolerance, price, tilt, options)
    w = np.zeros(problem.n)
    w[at] = tilt.p * problem.total
    linear = _expansion(problem, base, features, tilt, w, exactly, price)
    given_up = int((~exactly & (np.abs(tilt.multipliers) >= price)).sum())
    facts = {
        "Balanced": f"{int((chosen.covariate >= 0).sum()) // folds} covariates exactly, {chosen.kernels} kernel functions"
        + (f", in {folds} folds" if folds > 1 else ""),
        "Kernel functions at their bound": int((~exactly & (tilt.multipliers != 0)).sum()) - given_up,
        "Kernel functions beyond it": given_up,
        "Bandwidth": kernel.bandwidth,
    }
    constraints = {
        "before": q @ features / problem.total / chosen.share,
        "after": tilt.p @ features[at] / chosen.share,
        "multiplier": tilt.multipliers,
    }
    return RowWeights(w, linear, facts, constraints, chosen.labels(problem.names, problem.rows))


def _expansion(
    problem: MissingProblem,
    base: Observing,
    features: np.ndarray,
    tilt: HingedTilt,
    w: np.ndarray,
    exactly: np.ndarray,
    price: np.ndarray,
) -> Linear:
    """Expansion of ``w = q exp(a + z l)`` in a, the multipliers of active constraints, and the base's coefficients."""
    size = np.abs(tilt.multipliers)
    active = exactly | ((size > 0.0) & (size < price))
    z = features[:, active]
    gap = (w @ z) / problem.total
    columns = np.column_stack([np.ones(problem.n), z - gap])
    own = columns * w[:, None]
    inverse = symmetric_inverse(own.T @ columns)
    psi = own - problem.s[:, None] * np.column_stack([np.ones(problem.n), z])
    steps = problem.standard.z[:, : base.influence.shape[1]] * (-w * (1.0 - base.e))[:, None]
    influence = -(psi + base.influence @ (steps.T @ columns)) @ inverse
    leverage = quadratic_forms(columns, inverse) * w
    return Linear(np.hstack([own, steps]), np.hstack([influence, base.influence]), leverage)


def _unsolved(
    problem: MissingProblem,
    chosen: Functions,
    tolerance: np.ndarray,
    price: np.ndarray,
    tilt: HingedTilt,
    options: KernelMissingOptions,
) -> InfeasibleError | ConvergenceError:
    """Why the dual has no minimum: no weights meet the constraints that have no price, or iterations ran out."""
    hard = ~np.isfinite(price)
    z = chosen.values[problem.index]
    found = reach(z[:, hard], tolerance[hard])
    if found.gap > 1e-9:
        if chosen.exactly[hard][found.column]:
            name = chosen.labels(problem.names, problem.rows)[int(np.flatnonzero(hard)[found.column])]
            folds = ", or anchor_folds=1" if (chosen.fold >= 0).any() else ""
            return InfeasibleError(
                f"no weights on the {len(z)} observed rows bring the mean of '{name}' to that of all rows "
                f"together with the other covariates: {found.gap:.3g} standard deviations are left at least. Leave that "
                f"column out, or give linear=False{folds}."
            )
        smallest = options.tols + 1.01 * found.gap
        return InfeasibleError(
            f"no weights on the {len(z)} observed rows meet tols={options.tols:g} in all kernel functions; slack=inf is feasible "
            f"from tols={smallest:.2g}. Raise tols, give a finite slack, or use fewer anchors."
        )
    return ConvergenceError(
        f"the dual of kernel balancing stopped with a residual of {tilt.residual:.2g} after {tilt.iterations} evaluations; "
        "raise max_iter or tols, or use fewer anchors."
    )


METHOD = Method(
    verb="missing_mean",
    name="kernel",
    estimate=estimate,
    options=KernelMissingOptions,
    summary="weights closest to inverse probabilities that balance kernel functions of the covariates",
    citation="Li et al. (2024)",
    arxiv="2404.19596",
    guarantee="balances functions of a reproducing kernel space; stacked standard errors given the anchors",
    vignette="kernel-missing",
)
