"""Local average treatment effect with covariates, doubly robust and cross-fitted (interactive IV).

Imbens and Angrist (1994); Froelich (2007); Chernozhukov et al. (2018, arXiv 1608.00060). The estimand is the
average effect among compliers, E[Y(1) - Y(0) | D(1) > D(0)], for a binary instrument that is as good as random
given the covariates, moves the outcome through the treatment only, and moves nobody away from treatment. The
estimate is the doubly robust effect of the instrument on the outcome over that on the treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects.effect_fit import EffectFit, fit_fields
from statinf.effects.estimate import Estimate, Score, solve_scores
from statinf.effects.irm import scores as doubly_robust
from statinf.effects.options import choose_folds, learners
from statinf.effects.rows import Arms, EffectRows, arms_of, clipped, plain_name
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.sandwich import check_kind
from statinf.learners.constant import Constant
from statinf.learners.nuisance import Nuisance, cross_predict

CITATION = "doubly robust local average effect (Chernozhukov et al. 2018)"


def fit(
    made: Design,
    *,
    clusters: Mapping[str, np.ndarray] | None = None,
    vcov: Any = None,
    treated: Any = None,
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
    clusters : mapping of str to ndarray of int, shape (n,), optional
    vcov, treated
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
    taking = _binary(made, treatment.rest, "treatment", treated)
    assigned_to = _binary(made, instruments.rest, "instrument", None)
    d = taking.rows(taking.treated).astype(np.float64)
    y = made.y if made.offset is None else made.y - made.offset
    rows = EffectRows(
        y,
        assigned_to.rows(assigned_to.treated).astype(np.float64),
        np.ascontiguousarray(covariates.rest.values),
        made.weights,
        plain_name(treatment.rest),
        True,
        (("", np.ones(made.n, dtype=bool)),),
        made,
        taking,
        dict(clusters or {}),
    )
    split = choose_folds(rows, folds, repeats, seed, whole=False)
    outcome, _ = learners(learner, outcome_model, None, binary=True)
    _, taken = learners(learner, None, treatment_model, binary=True)
    _, assigned = learners(learner, None, instrument_model, binary=True)
    wanted = _nuisances(rows, d, outcome, taken, assigned)
    predictions = cross_predict(rows.x, wanted, split, made.weights, seed=seed, progress=progress)
    name = plain_name(instruments.rest)
    estimate = _estimate(rows, d, predictions, clip, name, assigned_to)
    out = EffectFit(**fit_fields(rows, "late", "LATE", estimate, CITATION))
    return replace(out, cov=out._covariance(check_kind("HC0" if vcov is None else vcov)))


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
        pairs.append(Score(below.b, above.b))
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
    theta, thetas, moments = solve_scores(rows, pairs)
    return Estimate(theta, thetas, moments, nuisance=predictions[0], notes=notes)


def _binary(made: Design, matrix: Matrix, role: str, treated: Any) -> Arms:
    if len(matrix.terms) != 1:
        raise DataError(
            f"method='late' needs one {role} with two values; the formula has {matrix.p}: {', '.join(matrix.names)}."
        )
    arms = arms_of(made, matrix, treated=treated, what=role)
    if arms is None or len(arms.levels) != 2:
        values = np.unique(matrix.values[made.weights > 0], axis=0)
        raise DataError(
            f"the {role} '{plain_name(matrix)}' has {len(values)} values on the rows used; method='late' needs two."
        )
    return arms
