"""SPL+, SPL and stochastic subgradients for CVaR (Meng and Gower 2023, arXiv 2305.17498).

One row per step. SPL linearises the loss inside the hinge and keeps the hinge; SPL+ scales its two steps so that the
unit of the loss does not matter: s is the root mean square of the losses at the start. The estimand is that of the exact method.
Steps begin at least squares (at zero for losses that are not in the residual). Iterates are approximate: the fit says how
far they are from the minimum, in standard errors.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from statinf.backend import generator
from statinf.errors import ConvergenceError, NotIdentifiedError, NumericalWarning, issue_warning
from statinf.numerics.tails.risk import tail_mean
from statinf.numerics.tails.streams import run_stream
from statinf.quantile.cvar.estimate import estimate_of
from statinf.quantile.cvar.exact import warn_concave
from statinf.quantile.cvar.options import CvarStreamOptions
from statinf.quantile.cvar.problem import CvarProblem
from statinf.quantile.cvar.solved import SolvedTail, moments_of
from statinf.results import Estimate, Method

_FAR = 1.0
_OFF = 0.5
"""Rise of the objective over that at the start, relative to it, from which a stream has run off."""
_ORDER = {"row order": "the stream of rows depends on their order"}


def estimate(rule: str, problem: CvarProblem, options: CvarStreamOptions) -> Estimate:
    """Run a stream over the rows; divergence is an error."""
    n = len(problem.y)
    draws = generator(problem.seed, 71).random((options.epochs, n))
    index = np.searchsorted(np.cumsum(problem.w), draws).clip(0, n - 1)
    first = problem.loss.values(problem.Z @ problem.start + problem.offset, problem.y)
    scale = float(np.sqrt(problem.w @ first**2)) or 1.0
    var, before = tail_mean(first, problem.w, problem.level)
    run = run_stream(
        problem.Z,
        problem.y,
        index,
        problem.level,
        problem.loss,
        rule,
        step=options.lam,
        units=_units(problem, rule, scale),
        offset=problem.offset,
        start=problem.start,
        threshold=var,
    )
    theta = run.average if options.average else run.theta
    path = np.array([_objective(problem, b) for b in run.path])
    reached = _objective(problem, theta)
    if not reached <= before + _OFF * abs(before):
        raise ConvergenceError(
            f"method={rule!r} ran off: the CVaR is {reached * problem.loss_unit:.4g} after {options.epochs} epochs, "
            f"{before * problem.loss_unit:.4g} before them; lower lam={options.lam:g}, or use method='exact'."
        )
    solved = SolvedTail.at(problem, theta, options.bandwidth)
    warn_concave(solved)
    distance = _distance(solved)
    if distance > _FAR:
        issue_warning(
            f"method={rule!r} stopped {distance:.1f} standard errors from the minimum; raise epochs={options.epochs}, "
            "change lam=, or use method='exact'.",
            NumericalWarning,
        )
    facts = {"Distance to the minimum, in std. errors": distance}
    if rule == "spl+":
        facts |= {"Loss scale": scale * problem.loss_unit}
    unit = problem.loss_unit
    extra = {"path": path * unit, "scale": scale * unit, "active": float(run.active), "distance": distance}
    return estimate_of(solved, facts, extra)


def _units(problem: CvarProblem, rule: str, scale: float) -> tuple[float, float]:
    """Factors of the two steps: SPL+ steps in the unit of the losses here, the others in the caller's."""
    if rule == "spl+":
        return 1.0 / scale, scale
    return problem.loss_unit / problem.unit**2, 1.0 / problem.loss_unit


def _objective(problem: CvarProblem, theta: np.ndarray) -> float:
    if not np.isfinite(theta).all():
        return np.inf
    losses = problem.loss.values(problem.Z @ theta + problem.offset, problem.y)
    return tail_mean(losses, problem.w, problem.level)[1]


def _distance(solved: SolvedTail) -> float:
    """Largest coordinate of one Newton step towards the minimum, in standard errors; NaN where these do not exist."""
    plain = replace(solved.problem.design, weights_object=None)
    try:
        moments = moments_of(replace(solved, problem=replace(solved.problem, design=plain)))
    except NotIdentifiedError:
        return np.nan
    influence = moments.influence
    errors = np.sqrt((influence**2).sum(axis=0))
    return float(np.max(np.abs(influence.sum(axis=0)) / np.where(errors > 0, errors, np.inf)))


def _method(rule: str, summary: str, citation: str, arxiv: str) -> Method:
    return Method(
        verb="cvar",
        name=rule,
        estimate=partial(estimate, rule),
        options=CvarStreamOptions,
        summary=summary,
        citation=citation,
        arxiv=arxiv,
        guarantee="objective within O(log T / sqrt T) of the minimum for convex Lipschitz losses",
        vignette="cvar-splplus",
        traits=_ORDER,
    )


_PAPER = "Meng and Gower (2023), A model-based method for minimizing CVaR and beyond"
METHODS = {
    "spl+": _method("spl+", "stochastic prox-linear steps that adapt to the unit of the loss", _PAPER, "2305.17498"),
    "spl": _method("spl", "stochastic prox-linear steps", _PAPER, "2305.17498"),
    "sgm": _method("sgm", "stochastic subgradients", "Rockafellar and Uryasev (2000)", ""),
}
