"""Inverse probability weighted means of every arm, with the propensities' estimation in their errors.

Imbens (2000) for several arms; Li and Li (2019, arXiv 1808.05339) for the overlap population. A row of arm a has the
weight h(x) / p_a(x), where h is 1 (ATE), the probability of the arm that is averaged over (ATT, ATC), or the harmonic
sum 1 / (1 / p_1 + ... + 1 / p_K) (ATO). With a logit the errors come from the stacked equations.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.arm_means import influence_moments, means_estimate
from statinf.effects.arm_nuisances import ArmPredictions, arm_learners, arm_nuisances, logit_of, whose
from statinf.effects.arm_scores import named, overlap_facts
from statinf.effects.arms import shown_level
from statinf.effects.estimate import Splits
from statinf.effects.options import PropensityOptions
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import OptionError
from statinf.inference.moments import Moments
from statinf.learners.cells import standardise
from statinf.learners.multinomial import Multinomial, contrasts
from statinf.learners.multinomial_folds import RowsOfClasses, information
from statinf.learners.nuisance import over_mean
from statinf.results import Estimate


def weighted_means(problem: EffectProblem, options: PropensityOptions, *, normalize: bool) -> Estimate:
    """Weighted means of all arms; `normalize` divides weights by their mean in each arm."""
    rows, estimand = problem.rows, problem.estimand
    if not normalize and estimand != "ATE":
        raise OptionError("normalize=False (Horvitz-Thompson) is for estimand='ATE'.")
    assert rows.arms is not None
    how = arm_learners(rows, options, problem.seed, problem.progress, whole=True)
    made = arm_nuisances(rows, how, estimand, ())
    logit = logit_of(how)
    codes = rows.arm_codes()
    thetas, moments = [], []
    for p in made:
        theta, moment = _one(rows, codes, p, estimand, logit, normalize)
        thetas.append(theta)
        moments.append(moment)
    weight = rows.w * arm_weights(rows, codes, made[0], estimand)[0]
    facts = overlap_facts(rows, made)
    for k, level in enumerate(rows.arms.ordered):
        own = weight[codes == k]
        facts[f"Effective sample, {shown_level(level)}"] = float(own.sum() ** 2 / (own**2).sum())
    label = ", propensity estimated" if logit is not None else ", propensity taken as known"
    splits = Splits(np.stack(thetas), tuple(moments), label)
    return means_estimate(problem, splits, nuisance=named(rows, made[0]), facts=facts)


def arm_weights(rows: EffectRows, codes: np.ndarray, p: ArmPredictions, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each row (n,), and its derivative by the log odds of every arm (n, K)."""
    n, count = p.propensity.shape
    at, own = np.arange(n), whose(rows, estimand)
    chance = p.propensity
    target, slope = np.ones(n), np.zeros((n, count))
    if own is not None:
        target = chance[:, own]
        slope = -chance
        slope[:, own] += 1.0
    elif estimand == "ATO":
        target = 1.0 / (1.0 / chance).sum(axis=1)
        slope = target[:, None] / chance - chance
    weight = target / chance[at, codes]
    slope = slope + chance
    slope[at, codes] -= 1.0
    # A propensity at the end of its range does not move with the odds.
    slope *= p.free[at, codes][:, None]
    return weight, weight[:, None] * slope


def _one(
    rows: EffectRows,
    codes: np.ndarray,
    p: ArmPredictions,
    estimand: str,
    logit: Multinomial | None,
    normalize: bool,
) -> tuple[np.ndarray, Moments]:
    """Means of one set of propensities and their moments."""
    weight, slope = arm_weights(rows, codes, p, estimand)
    theta, unit, moving = [], [], []
    for _, group in rows.groups:
        for arm in range(p.propensity.shape[1]):
            here = (group & (codes == arm)).astype(np.float64)
            size = float(rows.w @ (here * weight)) if normalize else float(rows.w @ group)
            mean = float(rows.w @ (here * weight * rows.y)) / size
            left = here * (rows.y - mean) if normalize else here * rows.y
            theta.append(mean)
            unit.append((left * weight - (0.0 if normalize else mean * group)) / size)
            moving.append(left / size)
    influence = np.column_stack(unit)
    if logit is not None:
        influence = influence + _through_logit(rows, codes, logit, slope, np.column_stack(moving))
    return np.array(theta), influence_moments(rows, influence)


def _through_logit(
    rows: EffectRows, codes: np.ndarray, logit: Multinomial, slope: np.ndarray, moving: np.ndarray
) -> np.ndarray:
    """What the estimation of a logit adds to influence values (n, q), per unit of weight.

    Parameters
    ----------
    rows : EffectRows
    codes : ndarray of int, shape (n,)
    logit : Multinomial
    slope : ndarray, shape (n, K)
        Derivative of each row's weight by the log odds.
    moving : ndarray, shape (n, q)
        Each estimate's derivative by the row's weight, per unit of row weight.
    """
    design, w = standardise(rows.x, rows.w), over_mean(rows.w)
    count = slope.shape[1]
    made = RowsOfClasses(design.z, codes, w, contrasts(count), logit.ridge(design, count))
    theta = made.basis.T @ logit.fit(rows.x, codes, w).coefficients
    gram = information(made, theta, np.zeros(len(codes), np.intp), 1)[0] + np.diag(np.tile(made.ridge, count - 1))
    along = slope @ made.basis
    gradient = np.stack([(design.z * (w * along[:, a])[:, None]).T @ moving for a in range(count - 1)])
    solved = np.linalg.lstsq(gram, gradient.reshape(-1, moving.shape[1]), rcond=None)[0]
    left = made.residual(made.chances(theta, slice(None)), slice(None), np.ones(len(codes)))
    parts = solved.reshape(count - 1, design.z.shape[1], -1)
    return sum(left[:, a : a + 1] * (design.z @ parts[a]) for a in range(count - 1))  # type: ignore[return-value]
