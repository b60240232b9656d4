"""Local average treatment effect with covariates, doubly robust and cross-fitted (interactive IV).

Imbens and Angrist (1994); Froelich (2007); Chernozhukov et al. (2018, arXiv 1608.00060). The estimand is the
average effect among compliers, E[Y(1) - Y(0) | D(1) > D(0)], for a binary instrument that is as good as random
given the covariates, moves the outcome through the treatment only, and moves nobody away from treatment. The
estimate is the doubly robust effect of the instrument on the outcome over that on the treatment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.arms import Arms, arms_of, plain_name
from statinf.effects.estimate import LinearScore, effect_estimate, solve_scores
from statinf.effects.irm import scores as doubly_robust
from statinf.effects.iv_problem import IVProblem
from statinf.effects.method import EffectMethod
from statinf.effects.options import (
    ClipOptions,
    CrossFitOptions,
    OutcomeModelOptions,
    choose_folds,
    learner_for,
    learners,
)
from statinf.effects.overlap import clipped
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, FormulaError, NotIdentifiedError
from statinf.learners.constant import Constant
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.results import Estimate
from statinf.results.options import value


@dataclass(frozen=True, kw_only=True)
class LateOptions(ClipOptions, OutcomeModelOptions, CrossFitOptions):
    """Options of the interactive model with an instrument."""

    instrument_model: Any = value(
        None,
        "learner of the instrument: a logit by default",
        "a learner's name, an object with fit and predict, or a known probability",
        learner_for("probability"),
    )


def estimate(problem: IVProblem, options: LateOptions) -> Estimate:
    """The average effect among compliers."""
    made, treatment, instrument = problem.design, problem.part("treatment"), problem.part("instruments")
    both = sorted(set(instrument.names) & set(problem.part("covariates").names))
    if both:
        raise FormulaError(
            f"the instrument {', '.join(map(repr, both))} stands among the covariates as well, and varies no more once they are "
            "held; remove it from one of the two."
        )
    taking = _binary(problem, "treatment", problem.treated)
    offered = _binary(problem, "instruments", None)
    d = taking.rows(taking.treated).astype(np.float64)
    rows = EffectRows(
        made.y if made.offset is None else made.y - made.offset,
        offered.rows(offered.treated).astype(np.float64),
        np.ascontiguousarray(problem.part("covariates").rest.values),
        made.weights,
        plain_name(treatment),
        True,
        (("", np.ones(made.n, dtype=bool)),),
        made,
        taking,
        problem.clusters,
    )
    split = choose_folds(rows, options.folds, options.repeats, problem.seed, whole=False)
    outcome, taken = learners(options.learner, options.outcome_model, options.treatment_model, binary=True)
    _, assigned = learners(options.learner, None, options.instrument_model, binary=True)
    wanted = _nuisances(rows, d, outcome, taken, assigned)
    predictions = cross_predict(rows.x, wanted, split, made.weights, seed=problem.seed, progress=problem.progress)
    return _estimate(rows, d, predictions, options.clip, plain_name(instrument), offered)


def _nuisances(rows: EffectRows, d: np.ndarray, outcome: Any, taken: Any, assigned: Any) -> list[Nuisance]:
    """Outcome and treatment in each arm of the instrument, and the instrument."""
    arms = ((0, ~rows.treated), (1, rows.treated))
    wanted = [Nuisance(f"outcome{arm}", rows.y, outcome, rows=mask) for arm, mask in arms]
    for arm, mask in arms:
        values = np.unique(d[mask & (rows.w > 0)])
        # Nobody, or everybody, takes the treatment in this arm: nothing is left to learn.
        known = Constant(float(values[0])) if len(values) == 1 else taken
        wanted.append(Nuisance(f"treatment{arm}", d, known, rows=mask, probability=True))
    return [*wanted, Nuisance("instrument", rows.d, assigned, probability=True)]


def _estimate(
    rows: EffectRows,
    d: np.ndarray,
    predictions: list[dict[str, np.ndarray]],
    clip: float,
    instrument: str,
    assigned_to: Arms,
) -> Estimate:
    """The ratio of the instrument's effects on outcome and treatment, and the first split's figures for the summary."""
    w, pairs, moved = rows.w, [], 0
    for p in predictions:
        e, count = clipped(p["instrument"], rows.design.rows, clip, w)
        moved = max(moved, count)
        above = doubly_robust(rows.y, rows.d, e, p["outcome0"], p["outcome1"], "ATE", w)
        below = doubly_robust(d, rows.d, e, p["treatment0"], p["treatment1"], "ATE", w)
        pairs.append(LinearScore(below.b, above.b))
    share, reduced = (float(np.average(values, weights=w)) for values in (pairs[0].a, pairs[0].b))
    if abs(share) < 1e-12 * max(1.0, abs(reduced)):
        raise NotIdentifiedError(
            f"the instrument '{instrument}' does not move the treatment '{rows.treatment}': there are no compliers."
        )
    se = float(np.sqrt(w**2 @ (pairs[0].a - share) ** 2) / w.sum())
    told = assigned_to.facts.get("Treated")
    notes = {
        "Instrument": f"{instrument} ({told})" if told else instrument,
        "Compliers (share)": share,
        "First-stage F": (share / se) ** 2 if se > 0 else np.inf,
        "Effect of the instrument": reduced,
        "Clipped rows": moved,
    }
    return effect_estimate(
        EffectProblem(rows), solve_scores(rows, pairs), nuisance=predictions[0], facts=notes, estimand="LATE"
    )


def _binary(problem: IVProblem, role: str, treated: Any) -> Arms:
    matrix, what = problem.part(role), role.removesuffix("s")
    if len(matrix.terms) != 1:
        raise DataError(
            f"method='late' needs one {what} with two values; the formula has {matrix.p}: {', '.join(matrix.names)}."
        )
    arms = arms_of(problem.design, matrix, treated=treated, what=what)
    if arms is None or len(arms.levels) != 2:
        values = np.unique(matrix.values[problem.design.weights > 0], axis=0)
        raise DataError(
            f"the {what} '{plain_name(matrix)}' has {len(values)} values on the rows used; method='late' needs two."
        )
    return arms


METHOD = EffectMethod(
    verb="iv",
    name="late",
    estimate=estimate,
    options=LateOptions,
    summary="cross-fitted doubly robust average effect among compliers, of a treatment and an instrument with two values each",
    citation="Imbens and Angrist (1994); Chernozhukov et al. (2018)",
    arxiv="1608.00060",
    guarantee="average effect among compliers; doubly robust, any learner",
    vignette="effects",
    traits={"row order": "folds draw row numbers"},
)
