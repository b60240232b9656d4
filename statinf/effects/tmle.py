"""Targeted maximum likelihood (van der Laan and Rubin 2006; Gruber and van der Laan 2010).

Estimands: means of the outcome in every arm over all rows (ATE), the treated (ATT) or the reference's rows (ATC), and their
differences, log ratios or log odds ratios. An outcome model is moved along clever covariates until it solves the
efficient scores, so that means stay within the range of the outcome. It is consistent if the outcome or the treatment
model is right, and efficient if both are; errors come from the efficient influence function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend.threads import one_blas_thread
from statinf.effects.arm_means import contrasted, means_estimate, solve_means
from statinf.effects.arm_nuisances import ArmPredictions, arm_learners, arm_nuisances, whose
from statinf.effects.arm_scores import named, overlap_facts
from statinf.effects.estimate import LinearScore
from statinf.effects.fluctuation import fluctuated, targeting_slope
from statinf.effects.method import EffectMethod
from statinf.effects.options import ClipOptions, OutcomeModelOptions, PropensityOptions
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.effects.tmle_fit import TargetedEffect
from statinf.errors import DataError, OptionError
from statinf.learners.registry import canonical
from statinf.results import Estimate
from statinf.results.options import choice, number, value


def check_bounds(name: str, given: Any) -> tuple[float, float]:
    """Two finite numbers in order."""
    try:
        low, high = (float(v) for v in given)
    except (TypeError, ValueError):
        raise OptionError(f"{name}={given!r} is not two numbers, the smallest and largest possible outcome.") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise OptionError(f"{name}={given!r} must be two finite numbers, the smaller first.")
    return low, high


@dataclass(frozen=True, kw_only=True)
class TmleOptions(ClipOptions, OutcomeModelOptions, PropensityOptions):
    """Options of targeted maximum likelihood."""

    measure: str = choice(
        "difference",
        ("difference", "ratio", "odds-ratio"),
        "difference of means, or the log of their ratio or odds ratio (`tidy(exponentiate=True)` for the ratio itself)",
    )
    bounds: Any = value(
        None,
        "smallest and largest possible outcome; by default 0 and 1 where all lie there, else those observed",
        "two numbers",
        check_bounds,
    )
    margin: float = number(
        0.0005,
        "predictions of the outcome model stay this share of the range away from the bounds",
        low=0.0,
        high=0.5,
        open_low=True,
        open_high=True,
    )


def means(problem: EffectProblem, options: TmleOptions) -> Estimate:
    """Targeted means of all arms."""
    rows, estimand = problem.rows, problem.estimand
    assert rows.arms is not None
    low, high = _bounds(rows, options)
    own = whose(rows, estimand)
    codes, count = rows.arm_codes(), len(rows.arms.levels)
    how = arm_learners(rows, _with_default(rows, options), problem.seed, problem.progress, whole=True)
    made = arm_nuisances(rows, how, estimand, tuple(k for k in range(count) if k != own))
    unit = (rows.y - low) / (high - low)
    with one_blas_thread():
        splits = solve_means(
            rows,
            ([_score(rows, codes, unit, p, k, own, (low, high), options.margin) for k in range(count)] for p in made),
        )
    facts = {"Outcome bounds": f"{low:g} to {high:g}", **overlap_facts(rows, made)}
    return means_estimate(problem, splits, nuisance=named(rows, made[0]), facts=facts)


def _score(
    rows: EffectRows,
    codes: np.ndarray,
    unit: np.ndarray,
    p: ArmPredictions,
    arm: int,
    own: int | None,
    bounds: tuple[float, float],
    margin: float,
) -> LinearScore:
    """Efficient score of one arm's mean at the targeted outcome model, in the outcome's own unit.

    `unit` holds outcomes (n,) in [0, 1]; `own` is the arm whose rows are averaged over, None for all.
    """
    over = np.ones(len(unit)) if own is None else (codes == own).astype(np.float64)
    if arm == own:
        return LinearScore(over, over * rows.y)
    low, width = bounds[0], bounds[1] - bounds[0]
    clever = (1.0 if own is None else p.propensity[:, own]) / p.propensity[:, arm]
    model = np.clip((p.outcome[arm] - low) / width, margin, 1.0 - margin)
    offset = np.log(model / (1.0 - model))
    here = codes == arm
    slope = targeting_slope(unit[here], offset[here], clever[here], rows.w[here])
    moved = low + width * fluctuated(offset, clever, slope)
    return LinearScore(over, over * moved + here * clever * (rows.y - moved))


def _bounds(rows: EffectRows, options: TmleOptions) -> tuple[float, float]:
    used = rows.y[rows.w > 0]
    least, most = float(used.min()), float(used.max())
    if options.measure == "odds-ratio" and (least < 0.0 or most > 1.0):
        raise OptionError("measure='odds-ratio' is for outcomes between 0 and 1; use 'difference' or 'ratio'.")
    if options.bounds is not None:
        low, high = options.bounds
        if least < low or most > high:
            raise OptionError(f"bounds={options.bounds!r}: the outcome runs from {least:g} to {most:g}.")
        return low, high
    if least >= 0.0 and most <= 1.0:
        return 0.0, 1.0
    if least == most:
        raise DataError("the outcome does not vary on the rows used; give bounds= of what is possible.")
    return least, most


def _with_default(rows: EffectRows, options: TmleOptions) -> TmleOptions:
    """A logit for outcomes of 0 and 1 where the caller names no other learner."""
    used = rows.y[rows.w > 0]
    plain = options.learner is None or (isinstance(options.learner, str) and canonical(options.learner) == "lm")
    if options.outcome_model is not None or not plain or not ((used == 0.0) | (used == 1.0)).all():
        return options
    return replace(options, outcome_model="logit")


def contrast(problem: EffectProblem, options: TmleOptions, made: Estimate) -> Estimate:
    """Differences of the means, or of their logs or log odds."""
    if options.measure != "difference" and not (made.theta > 0.0).all():
        raise DataError(f"measure={options.measure!r} needs positive means; the smallest is {made.theta.min():.4g}.")

    def scale(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if options.measure == "difference":
            return theta, np.ones_like(theta)
        if options.measure == "ratio":
            return np.log(theta), 1.0 / theta
        return np.log(theta / (1.0 - theta)), 1.0 / (theta * (1.0 - theta))

    found = contrasted(problem, made, scale)
    return replace(found, extra={**found.extra, "measure": options.measure})


def estimate(problem: EffectProblem, options: TmleOptions) -> Estimate:
    """Effects of two arms."""
    return contrast(problem, options, means(problem, options))


METHOD = EffectMethod(
    verb="effect",
    name="tmle",
    estimate=estimate,
    means=means,
    contrast=contrast,
    options=TmleOptions,
    fit=TargetedEffect,
    summary="targeted maximum likelihood: differences, ratios and odds ratios of means that stay in the outcome's range",
    citation="van der Laan and Rubin (2006)",
    guarantee="consistent if the outcome or the treatment model is right; within the outcome's range",
    vignette="effects-arms",
)
