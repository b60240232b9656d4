"""Partially linear regression by double machine learning (Chernozhukov et al. 2018, arXiv 1608.00060).

Y = theta D + g(X) + e with E[e | D, X] = 0 and D = m(X) + v. With effects that differ between rows theta is
their average weighted by Var(D | X). The score (Y - l(X) - theta v) v is orthogonal to both nuisances, so
that learners that converge faster than n^(-1/4) leave the standard error alone. Treatments may take any values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.effects.estimate import LinearScore, Pieces, effect_estimate, solve_scores
from statinf.effects.method import EffectMethod
from statinf.effects.options import (
    LEARNER,
    Nuisances,
    OutcomeModelOptions,
    PropensityOptions,
    learner_for,
    nuisances_of,
)
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import NotIdentifiedError, OptionError
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.results import Estimate
from statinf.results.options import choice, value


@dataclass(frozen=True, kw_only=True)
class PlrOptions(OutcomeModelOptions, PropensityOptions):
    """Options of the partially linear model."""

    treatment_model: Any = value(
        None,
        "learner of the treatment: a logit where it has two values, else least squares",
        f"{LEARNER}, or a known mean",
        learner_for("probability", "mean"),
    )
    score: str = choice(
        "partialling-out",
        ("partialling-out", "iv-type"),
        "the orthogonal score; 'iv-type' learns the outcome once more",
    )


def estimate(problem: EffectProblem, options: PlrOptions) -> Estimate:
    """The effect of the treatment's variation beside the covariates.

    Raises
    ------
    NotIdentifiedError
        If the covariates explain the treatment completely.
    """
    rows = problem.rows
    if options.propensity is not None and not rows.binary:
        raise OptionError(f"propensity= is for a treatment with two values; '{rows.treatment}' has more.")
    how = nuisances_of(rows, options, problem.seed, problem.progress)
    wanted = [Nuisance("outcome", rows.y, how.outcome)]
    if how.known is None:
        wanted.append(Nuisance("treatment", rows.d, how.treatment, probability=rows.binary))
    made = cross_predict(rows.x, wanted, how.folds, rows.w, seed=how.seed, progress=how.progress)
    if how.known is not None:
        made = [p | {"treatment": how.known} for p in made]
    varied = float(rows.w @ (rows.d - np.average(rows.d, weights=rows.w)) ** 2)
    splits = solve_scores(rows, (_score(rows, how, options.score, r, p, varied) for r, p in enumerate(made)))
    left = rows.d - made[0]["treatment"]
    known = len(rows.groups) == 1 and options.score == "partialling-out"
    return effect_estimate(
        problem,
        splits,
        nuisance=made[0],
        facts={"Residual treatment variance": float(np.average(left**2, weights=rows.w))},
        estimand="variance-weighted",
        sensitivity=Later(_sensitivity, rows, tuple(made), splits.thetas[:, 0]) if known else None,
    )


def _score(
    rows: EffectRows, how: Nuisances, score: str, split: int, predictions: Mapping[str, np.ndarray], varied: float
) -> LinearScore:
    u, v = rows.y - predictions["outcome"], rows.d - predictions["treatment"]
    square = v * v
    mean = float(rows.w @ square)
    if mean <= 1e-12 * varied:
        raise NotIdentifiedError("the covariates explain the treatment completely; nothing of it is left to compare.")
    if score == "partialling-out":
        return LinearScore(square, v * u)
    first = float((rows.w * v) @ u) / mean
    return LinearScore(v * rows.d, v * (rows.y - _baseline(rows, how, split, first)))


def _baseline(rows: EffectRows, how: Nuisances, split: int, first: float) -> np.ndarray:
    folds = None if how.folds is None else how.folds[split : split + 1]
    asked = [Nuisance("outcome", rows.y - first * rows.d, how.outcome)]
    return cross_predict(rows.x, asked, folds, rows.w, seed=how.seed)[0]["outcome"]


def _sensitivity(rows: EffectRows, made: Sequence[Mapping[str, np.ndarray]], thetas: np.ndarray) -> list[Pieces]:
    out = []
    for predictions, theta in zip(made, thetas, strict=True):
        u, v = rows.y - predictions["outcome"], rows.d - predictions["treatment"]
        residual = (u - theta * v) ** 2
        mean = float(np.average(v**2, weights=rows.w))
        sigma2, nu2 = float(np.average(residual, weights=rows.w)), 1.0 / mean
        out.append((sigma2, nu2, residual - sigma2, nu2 - v**2 * nu2**2))
    return out


METHOD = EffectMethod(
    verb="effect",
    name="plr",
    estimate=estimate,
    options=PlrOptions,
    estimands=("ATE",),
    two_arms=False,
    summary="double machine learning of the partially linear model, for a treatment with any values",
    citation="Chernozhukov et al. (2018)",
    arxiv="1608.00060",
    guarantee="root-n with learners faster than n^(-1/4), any treatment",
    vignette="effects",
    traits={"row order": "folds draw row numbers"},
)
