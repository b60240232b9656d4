"""Conditional effects that are linear in given columns: coefficients with the covariance of an orthogonal score."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects import pseudo as ps
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.estimate import Splits
from statinf.effects.stages import PseudoRegression
from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.learners.linear import LeastSquares
from statinf.numerics.linear.least_squares import LeastSquaresSolution, solve
from statinf.results import Estimate, stack_scores

TARGETS = {
    ("dr", "none"): "over all rows",
    ("dr", "ivw"): "with weights e(1 - e), where the arms overlap",
    ("u", "r"): "with weights e(1 - e), where the arms overlap",
}
"""Where the linear effect is the best approximation, by pseudo-outcome and weight."""


def has_standard_errors(learnt: ConditionalEffect) -> bool:
    """Whether the second stage is least squares of a pair whose score feels errors of the nuisances in products only."""
    stages = learnt.stages
    return (
        isinstance(learnt.final, LeastSquares)
        and isinstance(stages, PseudoRegression)
        and (stages.pseudo, stages.weighting) in TARGETS
    )


def linear_estimate(problem: CateProblem, learnt: ConditionalEffect) -> Estimate:
    """Coefficients of every split, their median and its covariance."""
    stages = learnt.stages
    assert isinstance(stages, PseudoRegression)
    pair = (stages.pseudo, stages.weighting)
    thetas, moments, solution = [], [], None
    for p in learnt.predictions:
        product, weight = stages.products(learnt.sample, p)
        used = problem.rows.w * weight > 0
        if not used.any():
            raise NotIdentifiedError("the weights of the final stage are all zero; there is no overlap.")
        outcome = np.divide(product, weight, out=np.zeros(len(used)), where=used)
        solution = solve(problem.phi, outcome, problem.rows.w * weight)
        thetas.append(solution.coef)
        moments.append(_moments(problem, solution, product, weight, p if pair == ("dr", "ivw") else None))
    assert solution is not None
    every, treatment = np.stack(thetas), problem.rows.treatment
    label = ", score of estimated weights" if pair == ("dr", "ivw") else ""
    splits = Splits(every[:, solution.kept], tuple(moments), label)
    return Estimate(
        terms=tuple(treatment if n == "Intercept" else f"{treatment}:{n}" for n in problem.names),
        theta=np.median(every, axis=0),
        moments=splits.together,
        nobs=moments[-1].nobs,
        df_resid=moments[-1].df_resid,
        facts=learnt.facts,
        extra={
            "treatment": treatment,
            "target": TARGETS[pair],
            "phi_names": problem.names,
            "effect_recipe": problem.recipe,
            "thetas": every,
            "aliases": solution.aliases,
            "learnt": learnt,
        },
        covary=partial(_covariance, problem.rows.design, splits),
    )


def _moments(
    problem: CateProblem,
    solution: LeastSquaresSolution,
    product: np.ndarray,
    weight: np.ndarray,
    p: dict[str, np.ndarray] | None,
) -> Moments:
    """Moments of one split's weighted regression; with `p`, the score counts that its weights are estimated."""
    rows = problem.rows
    x = problem.phi[:, solution.kept]
    fitted = x @ solution.coef[solution.kept]
    unit = x * (product - weight * fitted)[:, None]
    stacked: dict[str, Any] = stack_scores(rows.design.weights_object, rows.design.rows, unit)
    if p is not None:
        # Part of the score itself; hat values are those of the weighted regression.
        own = x * (rows.w * ps.misspecification(rows.d, p, fitted))[:, None]
        stacked["adjustment"] = own + (0.0 if stacked.get("adjustment") is None else stacked["adjustment"])
    nobs = int(np.count_nonzero(rows.w))
    return Moments(
        unit * rows.w[:, None],
        solution.inverse_gram,
        nobs,
        float(nobs - int(solution.kept.sum())),
        columns=x,
        working=rows.w * weight,
        factor=solution.factor,
        **stacked,
    )


def _covariance(design: Design, splits: Splits, kind: Any) -> Covariance:
    found = splits.covariance(design, kind)
    if design.weights_object is not None:
        return found
    return replace(found, label=found.label.replace(", weights estimated", ""))
