"""Inverse probability weighting (Horvitz and Thompson 1952; Hajek 1971; Hirano, Imbens and Ridder 2003).

Estimands: the average effect over all rows (ATE), the treated (ATT), the controls (ATC), or the overlap
population with weights e(1 - e) (ATO; Li, Morgan and Zaslavsky 2018, arXiv 1404.1785). With a logit
propensity the standard errors come from the stacked equations: they account for its estimation, which makes
them smaller. A propensity from another learner, or a known one, is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.arm_weighting import weighted_means
from statinf.effects.estimate import Splits, effect_estimate
from statinf.effects.method import EffectMethod
from statinf.effects.options import ClipOptions, PropensityOptions, nuisances_of
from statinf.effects.overlap import clipped
from statinf.effects.problem import EffectProblem
from statinf.errors import OptionError
from statinf.inference.moments import Moments
from statinf.learners.cells import standardise
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict, over_mean
from statinf.results import Estimate, stack_scores
from statinf.results.options import flag


@dataclass(frozen=True, kw_only=True)
class IpwOptions(ClipOptions, PropensityOptions):
    """Options of inverse probability weighting."""

    normalize: bool = flag(True, "divide weights by their mean in each arm (Hajek); False is Horvitz and Thompson's")


def weights_of(e: np.ndarray, d: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of an estimand, and their derivatives by the log odds of the propensity, shape (n,) each."""
    odds = e / (1.0 - e)
    treated, control = {
        "ATE": ((1.0 / e, -1.0 / odds), (1.0 / (1.0 - e), odds)),
        "ATT": ((np.ones_like(e), np.zeros_like(e)), (odds, odds)),
        "ATC": ((1.0 / odds, -1.0 / odds), (np.ones_like(e), np.zeros_like(e))),
        "ATO": ((1.0 - e, -e * (1.0 - e)), (e, e * (1.0 - e))),
    }[estimand]
    return np.where(d > 0.5, treated[0], control[0]), np.where(d > 0.5, treated[1], control[1])


def estimate(problem: EffectProblem, options: IpwOptions) -> Estimate:
    """Difference of weighted means of the two arms."""
    rows, estimand = problem.rows, problem.estimand
    if not options.normalize and estimand != "ATE":
        raise OptionError("normalize=False (Horvitz-Thompson) is for estimand='ATE'.")
    how = nuisances_of(rows, options, problem.seed, problem.progress, whole=True)
    if how.known is not None:
        made = [{"propensity": how.known}]
    else:
        asked = [Nuisance("propensity", rows.d, how.treatment, probability=True)]
        made = cross_predict(rows.x, asked, how.folds, rows.w, seed=how.seed, progress=how.progress)
    # Only the maximum likelihood estimate on these very rows has a score that can be stacked.
    stacked = isinstance(how.treatment, Logit) and how.folds is None and how.known is None
    penalty = how.treatment.penalty if stacked else 0.0
    thetas, moments, moved = [], [], 0
    e = np.empty(0)
    for p in made:
        e, count = clipped(p["propensity"], rows.design.rows, how.clip, rows.w, estimand=estimand)
        moved = max(moved, count)
        fitted = p["propensity"] if stacked else None
        theta, moment = _one(problem, e, normalize=options.normalize, fitted=fitted, penalty=penalty)
        thetas.append(theta)
        moments.append(moment)
    w = rows.w * weights_of(e, rows.d, estimand)[0]
    used = e[rows.w > 0]
    facts = {"Propensities": f"{used.min():.3f} to {used.max():.3f}", "Clipped rows": moved}
    for name, arm in (("treated", rows.treated), ("controls", ~rows.treated)):
        facts[f"Effective sample, {name}"] = float(w[arm].sum() ** 2 / (w[arm] ** 2).sum())
    label = ", propensity estimated" if stacked else ", propensity taken as known"
    splits = Splits(np.stack(thetas), tuple(moments), label)
    return effect_estimate(problem, splits, nuisance={"propensity": e}, facts=facts)


def means(problem: EffectProblem, options: IpwOptions) -> Estimate:
    """Weighted means of all arms."""
    return weighted_means(problem, options, normalize=options.normalize)


def _one(
    problem: EffectProblem, e: np.ndarray, *, normalize: bool, fitted: np.ndarray | None, penalty: float
) -> tuple[np.ndarray, Moments]:
    """Effects of one set of propensities; `fitted` are those of a logit of that penalty before they were clipped."""
    rows = problem.rows
    weight, slope = weights_of(e, rows.d, problem.estimand)
    theta, unit, by_eta = [], [], []
    for _, group in rows.groups:
        parts = []
        for arm, sign in ((rows.treated, 1.0), (~rows.treated, -1.0)):
            chosen = (arm & group).astype(np.float64)
            size = float(rows.w @ (chosen * weight)) if normalize else float(rows.w @ group)
            mean = float(rows.w @ (chosen * weight * rows.y)) / size
            centre = mean if normalize else 0.0
            own = chosen * weight * (rows.y - centre) * sign / size
            if not normalize:
                own = own - sign * mean * group / size
            parts.append((sign * mean, own, chosen * slope * (rows.y - centre) * sign / size))
        theta.append(parts[0][0] + parts[1][0])
        unit.append(parts[0][1] + parts[1][1])
        by_eta.append(parts[0][2] + parts[1][2])
    influence = np.column_stack(unit)
    if fitted is not None:
        # In columns of mean zero and unit variance, so that where a covariate stands costs no digits.
        columns, w = standardise(rows.x, rows.w), over_mean(rows.w)
        x, ridge = columns.z, columns.penalty(penalty)
        information = (x * (w * fitted * (1.0 - fitted))[:, None]).T @ x + np.diag(ridge)
        # What was moved to an end does not move with the logit, but is among the rows that the logit was fitted to.
        free = e == fitted
        gradient = (x * (w * free)[:, None]).T @ np.column_stack(by_eta)
        influence = influence + (x * (rows.d - fitted)[:, None]) @ np.linalg.lstsq(information, gradient, rcond=None)[0]
    extra = stack_scores(rows.design.weights_object, rows.design.rows, influence)
    nobs = int(np.count_nonzero(rows.w))
    q = len(theta)
    return np.array(theta), Moments(influence * rows.w[:, None], np.eye(q), nobs, float(nobs - q), **extra)  # type: ignore[arg-type]


METHOD = EffectMethod(
    verb="effect",
    name="ipw",
    estimate=estimate,
    means=means,
    options=IpwOptions,
    estimands=("ATE", "ATT", "ATC", "ATO"),
    summary="difference of means weighted by inverse propensities",
    citation="Hirano, Imbens and Ridder (2003)",
    guarantee="consistent if the propensity is right; stacked standard errors",
    vignette="effects",
)
