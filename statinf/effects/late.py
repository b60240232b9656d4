"""Local average treatment effect with covariates, doubly robust and cross-fitted (interactive IV).

Imbens and Angrist (1994); Froelich (2007); Chernozhukov et al. (2018, arXiv 1608.00060). The estimand is the
average effect among compliers, E[Y(1) - Y(0) | D(1) > D(0)], for a binary instrument that is as good as random
given the covariates, moves the outcome through the treatment only, and moves nobody away from treatment. The
estimate is the doubly robust effect of the instrument on the outcome over that on the treatment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects.effect_fit import EffectFit
from statinf.effects.estimate import Estimate, Score, solve_scores
from statinf.effects.irm import scores as doubly_robust
from statinf.effects.options import choose_folds
from statinf.effects.rows import EffectRows, clipped
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.sandwich import Covariance, check_kind
from statinf.learners.nuisance import Constant, Nuisance, cross_predict, resolve

CITATION = "doubly robust local average effect (Chernozhukov et al. 2018)"


def fit(
    made: Design,
    *,
    vcov: Any = None,
    cluster: Any = None,
    learner: Any = None,
    outcome_model: Any = None,
    treatment_model: Any = None,
    instrument_model: Any = None,
    folds: Any = None,
    repeats: int = 1,
    clip: float = 0.01,
    seed: int = 0,
    progress: bool | None = None,
) -> EffectFit:
    """Fit the interactive instrumental-variable model to a design with roles treatment, covariates, instruments.

    Parameters
    ----------
    made : Design
    vcov, cluster
        As in `statinf.effect`.
    learner : str or object, optional
        For all nuisances.
    outcome_model : str or object, optional
        Of the outcome in each arm of the instrument; least squares by default.
    treatment_model, instrument_model : str, float or object, optional
        Of the treatment in each arm of the instrument, and of the instrument; logits by default.
    folds, repeats, clip, seed, progress
        As in `statinf.effect`.
    """
    treatment, covariates, instruments = (made.part(r) for r in ("treatment", "covariates", "instruments"))
    assert treatment is not None and covariates is not None and instruments is not None
    d, name = _binary(treatment.rest, made.weights, "treatment")
    z, z_name = _binary(instruments.rest, made.weights, "instrument")
    y = made.y if made.offset is None else made.y - made.offset
    rows = EffectRows(
        y,
        z,
        np.ascontiguousarray(covariates.rest.values),
        made.weights,
        name,
        True,
        (("", np.ones(made.n, dtype=bool)),),
        made,
    )
    split = choose_folds(rows, folds, repeats, seed, whole=False)
    probability = treatment_model if treatment_model is not None else learner if learner is not None else "logit"
    outcome = resolve(
        outcome_model if outcome_model is not None else learner if learner is not None else "least_squares", "mean"
    )
    assigned = resolve(
        instrument_model if instrument_model is not None else learner if learner is not None else "logit", "probability"
    )
    on = rows.treated
    wanted = [Nuisance(f"outcome{arm}", y, outcome, rows=mask) for arm, mask in ((0, ~on), (1, on))]
    for arm, mask in ((0, ~on), (1, on)):
        values = np.unique(d[mask & (made.weights > 0)])
        # Nobody, or everybody, takes the treatment in this arm: nothing is left to learn.
        known = Constant(float(values[0])) if len(values) == 1 else resolve(probability, "probability")
        wanted.append(Nuisance(f"treatment{arm}", d, known, rows=mask, probability=True))
    wanted.append(Nuisance("instrument", z, assigned, probability=True))
    predictions = cross_predict(rows.x, wanted, split, made.weights, seed=seed, progress=progress)
    scores, moved, first = [], 0, []
    for p in predictions:
        e, count = clipped(p["instrument"], made.rows, clip, made.weights)
        moved = max(moved, count)
        above = doubly_robust(y, z, e, p["outcome0"], p["outcome1"], "ATE", made.weights)
        below = doubly_robust(d, z, e, p["treatment0"], p["treatment1"], "ATE", made.weights)
        scores.append(Score(below.b, above.b))
        first.append((np.average(below.b, weights=made.weights), np.average(above.b, weights=made.weights), below.b))
    share, reduced, inner = first[0]
    se = float(np.sqrt(made.weights**2 @ (inner - share) ** 2) / made.weights.sum())
    if abs(share) < 1e-12 * max(1.0, abs(reduced)):
        raise NotIdentifiedError(
            f"the instrument '{z_name}' does not move the treatment '{name}': there are no compliers."
        )
    theta, thetas, moments = solve_scores(rows, scores)
    notes = {
        "Instrument": z_name,
        "Compliers (share)": float(share),
        "First-stage F": float((share / se) ** 2) if se > 0 else np.inf,
    }
    notes |= {"Effect of the instrument": float(reduced), "Clipped rows": moved}
    estimate = Estimate(theta, thetas, moments, nuisance=predictions[0], notes=notes)
    out = EffectFit(
        method="late",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=moments[0].nobs,
        terms=(name,),
        theta=theta,
        cov=Covariance(np.empty((0, 0)), "", "", np.inf),
        df_resid=moments[0].df_resid,
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        design=made,
        estimand="LATE",
        treatment=name,
        thetas=thetas,
        notes=notes,
        estimate=estimate,
    )
    chosen = vcov if vcov is not None else "HC0" if cluster is None else {"cluster": cluster}
    return replace(out, cov=out._covariance(check_kind(chosen)))


def _binary(matrix: Any, w: np.ndarray, role: str) -> tuple[np.ndarray, str]:
    if matrix.p != 1:
        raise DataError(
            f"method='late' needs one {role} with two values; the formula has {matrix.p}: {', '.join(matrix.names)}."
        )
    values = matrix.values[:, 0]
    found = np.unique(values[w > 0])
    if len(found) != 2:
        raise DataError(
            f"the {role} '{matrix.names[0]}' has {len(found)} values on the rows used; method='late' needs two."
        )
    return (values == found[1]).astype(np.float64), matrix.names[0]
