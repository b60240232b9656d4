"""Effects with instruments that may affect the outcome directly, identified by heteroscedasticity of the treatment.

Sun, Cui and Tchetgen Tchetgen (2022), "Selective machine learning of the average treatment effect with an invalid instrumental
variable", JMLR 23, arXiv 1907.11882; Tchetgen Tchetgen, Sun and Walter (2021), arXiv 1709.07779.

Estimand: E[Y(1) - Y(0)] over all rows; of "genius" a constant effect. Assumptions: the instrument is independent of the unmeasured
confounder given covariates, the outcome is additive in treatment and confounder and in instrument and confounder, the treatment's
probability is additive in the confounder, and its variance differs with the instrument. The instrument may affect the outcome
in any way that does not interact with treatment or confounder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.invalid.fit import WEAK, InvalidIVFit
from statinf.effects.invalid.genius import Genius, genius
from statinf.effects.invalid.learned import LearnedEffect, learned, read_candidates
from statinf.effects.invalid.multiply_robust import Average, multiply_robust
from statinf.effects.invalid.nuisances import linear_fit, residuals
from statinf.effects.invalid.plausible import TwoStage, two_stage
from statinf.effects.invalid.rows import InvalidRows, rows_of
from statinf.effects.invalid.selection import RULES
from statinf.effects.iv_problem import IVProblem
from statinf.effects.method import EffectMethod
from statinf.errors import NumericalWarning, OptionError, issue_warning
from statinf.inference.moments import Moments
from statinf.results import Estimate
from statinf.results.options import Options, choice, count, number, value


@dataclass(frozen=True, kw_only=True)
class InvalidOptions(Options):
    """Options of effects with possibly invalid instruments."""

    estimator: str = choice(
        "mr", ("mr", "genius", "learned"), "average effect by linear and logistic models, right if one of four sets of them is; "
        "a constant effect in closed form, for any treatment and several instruments; or the average by cross-fitted learners",
    )  # fmt: skip
    candidates: Any = value(
        ("lm", "spline"), "learners that estimator='learned' chooses among, for all nuisances or by nuisance: \"instrument\", "
        "\"treatment\", \"outcome\", \"covariance\"",
        "names (\"constant\" among them) or objects with fit and predict, or a mapping to such", read_candidates,
    )  # fmt: skip
    select: str = choice(
        "mixed-minimax", tuple(RULES), "rule of the choice: least change of the estimate as others change"
    )
    margin: float = number(
        0.25, "pseudo-risks this many standard errors above the least count as near, for selected_set()", low=0.0
    )
    folds: int = count(5, "folds of cross-fitting; with cluster= whole clusters share a fold", low=2)


def estimate(problem: IVProblem, options: InvalidOptions) -> Estimate:
    """The effect, with what it is looked at beside."""
    if problem.design.weights_object is not None:
        raise OptionError("method='invalid' takes row weights as known: give weights=w.full().")
    rows = rows_of(problem)
    if options.estimator != "genius":
        if not rows.binary:
            raise OptionError(f"'{rows.treatment}' has more than two values; estimator='genius' is for any treatment.")
        if not rows.two_valued:
            raise OptionError("estimators other than 'genius' need one instrument with two values.")
    constant = genius(residuals(rows), rows.w)
    found: Average | Genius = constant
    made: LearnedEffect | None = None
    if options.estimator == "mr":
        found = multiply_robust(rows)
    elif options.estimator == "learned":
        candidates = read_candidates("candidates", options.candidates)
        made = learned(rows, candidates, options.folds, options.select, options.margin)
        found = made.chosen
    _warn(rows, constant, found, made)
    return _estimate(rows, problem, constant, found, made, options)


def _warn(rows: InvalidRows, constant: Genius, found: Average | Genius, made: LearnedEffect | None) -> None:
    if constant.f_het < WEAK:
        issue_warning(
            f"the treatment's variance hardly differs with the instrument (heteroscedasticity F {constant.f_het:.3g}, below "
            f"{WEAK:g}): intervals may be far off; robust_set() is valid for a constant effect.",
            NumericalWarning,
        )
    if isinstance(found, Average) and found.d[rows.w > 0].min() < 0 < found.d[rows.w > 0].max():
        issue_warning(
            "the difference of the treatment's variances changes its sign over the covariates: the average effect hangs on rows "
            "where it is near zero, and its estimate may be far off.",
            NumericalWarning,
        )
    if made is not None and made.moved > 0.01:
        issue_warning(
            f"{100 * made.moved:.1f}% of rows have a difference of variances below 0.02, which stands in its place.",
            NumericalWarning,
        )
    still = _one_sided(rows)
    if still:
        issue_warning(
            f"nobody varies in '{rows.treatment}' where '{rows.names[0]}' is {still}: the effect is that of a treatment that is "
            "unconfounded among the others, which the assumptions then imply.",
            NumericalWarning,
        )


def _one_sided(rows: InvalidRows) -> str:
    if not (rows.two_valued and rows.binary):
        return ""
    return next(
        (w for w, arm in (("low", False), ("high", True)) if np.ptp(rows.a[(rows.w > 0) & (rows.on == arm)]) == 0), ""
    )


def _estimate(
    rows: InvalidRows,
    problem: IVProblem,
    constant: Genius,
    found: Average | Genius,
    made: LearnedEffect | None,
    options: InvalidOptions,
) -> Estimate:
    value = found.delta if isinstance(found, Average) else found.beta
    nobs = int(np.count_nonzero(rows.w))
    moments = Moments((found.influence * rows.scale)[:, None], np.eye(1), nobs, float(nobs - 1))
    tsls = two_stage(rows)
    facts = {} if problem.arms is None else dict(problem.arms.facts)
    facts |= {"Instruments": ", ".join(rows.names), "Heteroscedasticity F": constant.f_het}
    facts |= _beside(rows, tsls)
    facts["Confounding (kappa)"] = found.kappa * rows.y_scale * (rows.y_scale / rows.scale)
    if isinstance(found, Average):
        facts["Difference of variances"] = f"{found.d.min():.3f} to {found.d.max():.3f}"
    if made is not None:
        chosen = [made.names[axis][k] for axis, k in enumerate(made.selection.chosen)]
        facts["Selected"] = ", ".join(f"{b} {c}" for b, c in zip(("f", "pi", "mu", "rho"), chosen, strict=True))
        shape = made.estimates.shape
        facts["Near-minimisers"] = f"{int(made.selection.kept(shape).sum())} of {made.estimates.size} combinations"
    return Estimate(
        terms=(rows.treatment,),
        theta=np.array([value * rows.scale]),
        moments=moments,
        nobs=nobs,
        df_resid=float(nobs - 1),
        facts=facts,
        extra={
            "treatment": rows.treatment,
            "instruments": rows.names,
            "estimator": options.estimator,
            "kappa": float(facts["Confounding (kappa)"]),
            "f_het": constant.f_het,
            "j": constant.j,
            "j_df": constant.df,
            "scale": rows.scale,
            "constant": constant,
            "two_stage": tsls,
            "learned": made,
            "phi": found.phi * rows.scale if isinstance(found, Average) else None,
        },
    )


def _beside(rows: InvalidRows, tsls: TwoStage) -> dict[str, str]:
    """Two-stage and ordinary least squares, which need a valid instrument or no confounding."""
    left = rows.a - linear_fit(rows.x, rows.a, rows.w)
    plain = float((rows.w * left) @ rows.y / ((rows.w * left) @ left)) * rows.scale
    error = float(np.linalg.norm(tsls.scores))
    return {"Two-stage least squares": f"{tsls.effect:.4g} ({error:.4g})", "Least squares": f"{plain:.4g}"}


METHOD = EffectMethod(
    verb="iv",
    name="invalid",
    estimate=estimate,
    options=InvalidOptions,
    fit=InvalidIVFit,
    summary="effects where instruments may affect the outcome directly, from the treatment's variances; learners chosen by how "
    "little the estimate moves",
    citation="Sun, Cui and Tchetgen Tchetgen (2022)",
    arxiv="1907.11882",
    guarantee="average effect without the exclusion restriction; right if one of four sets of models is",
    vignette="invalid-instruments",
)
