"""Regression of least CVaR, exactly (Rockafellar and Uryasev 2000).

The estimand minimises the mean of the worst share 1 - level of the losses over linear predictors. For losses linear in
pieces it is a linear programme, for smooth convex losses a smooth convex one; both are solved by Newton's method on
smoothed hinges and finished by solving the optimality conditions, with a duality gap. Standard errors assume independent
rows (or clusters) and a positive density of the losses at their quantile.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError, NumericalWarning, issue_warning
from statinf.models.existence import name_separation
from statinf.numerics.glm.families import family_of
from statinf.numerics.tails.minimise import minimise_cvar
from statinf.quantile.cvar.estimate import estimate_of
from statinf.quantile.cvar.options import ExactOptions
from statinf.quantile.cvar.problem import CvarProblem
from statinf.quantile.cvar.solved import SolvedTail
from statinf.results import Estimate, Method

_SETTLED = 1e-6
_BENT = 1e-8


def estimate(problem: CvarProblem, options: ExactOptions) -> Estimate:
    """Coefficients of least CVaR; separated outcomes and losses that are not convex are named."""
    try:
        found = minimise_cvar(
            problem.Z,
            problem.y,
            problem.w,
            problem.level,
            problem.loss,
            offset=problem.offset,
            start=problem.start,
            tol=options.tol,
            max_iter=options.max_iter,
        )
    except ConvergenceError:
        _check_separation(problem)
        raise
    if found.cvar < _SETTLED:
        _check_separation(problem)
    solved = SolvedTail.of(problem, found, options.bandwidth)
    warn_concave(solved)
    facts = {"Duality gap": found.gap * problem.loss_unit}
    return estimate_of(solved, facts, {"gap": found.gap * problem.loss_unit, "steps": found.steps})


def _check_separation(problem: CvarProblem) -> None:
    if problem.loss.name == "logistic":
        name_separation(problem.design, family_of("binomial"))


def warn_concave(solved: SolvedTail) -> None:
    """Warn of a callable whose second derivative is negative at some row."""
    problem = solved.problem
    at = [problem.loss.pieces(problem.Z @ b + problem.offset, problem.y)[2] for b in (problem.start, solved.theta)]
    bent = np.stack(at)
    if bent.min() < -_BENT * max(float(np.abs(bent).max()), np.finfo(float).tiny):
        issue_warning(
            f"the loss '{problem.loss.name}' is not convex in the prediction: the estimate may be a local minimum.",
            NumericalWarning,
        )


METHOD = Method(
    verb="cvar",
    name="exact",
    estimate=estimate,
    options=ExactOptions,
    summary="the exact minimiser, certified by a duality gap",
    citation="Rockafellar and Uryasev (2000), Optimization of conditional value-at-risk",
    guarantee="minimum to the gap that is printed; sandwich and bootstrap errors",
    vignette="cvar-splplus",
)
