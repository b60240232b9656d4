"""Nearest-neighbour matching (Abadie and Imbens 2006, 2011).

Estimands: the average effect over all rows (ATE), the treated (ATT) or the controls (ATC), of those that have a match.
Each row is compared with its nearest rows of the other arm; ties all count, each by its weight, as in R's Matching.
Errors are Abadie and Imbens's, right for a fixed number of matches, where the bootstrap is not. With more than one
continuous covariate matches are never exact and the bias does not vanish fast enough: `bias_correction=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.estimate import cluster_codes
from statinf.effects.matched_sets import Space, matched, matched_once
from statinf.effects.matching_estimate import Compared, Matched, estimate_matched
from statinf.effects.matching_fit import MatchedEffect, MatchedGroup
from statinf.effects.method import EffectMethod
from statinf.effects.options import LEARNER, learner_for
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.learners.nuisance import over_mean
from statinf.learners.registry import resolve
from statinf.results import Estimate
from statinf.results.options import Options, choice, count, flag, number, value

DISTANCES = ("mahalanobis", "inverse-variance", "propensity", "log-odds")


def check_exact(name: str, given: Any) -> tuple[str, ...]:
    """Names of columns."""
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Sequence) else ()
    if not names or not all(isinstance(one, str) for one in names):
        raise OptionError(f"{name}={given!r} is not the name of a column, or a list of names.")
    return names


@dataclass(frozen=True, kw_only=True)
class MatchingOptions(Options):
    """Options of matching."""

    matches: int = count(1, "matches per row; ties with the last count too")
    replace: bool = flag(True, "let a row be a match more than once; without, rows choose in their order (ATT, ATC)")
    distance: str = choice(
        "mahalanobis",
        DISTANCES,
        "between rows: by the covariates' covariance, their variances alone, or the estimated propensity or its log odds",
    )
    caliper: float | None = value(
        None,
        "largest difference of a match in each covariate (or in the propensity or its log odds), in standard deviations; "
        "rows without a match are left out and counted",
        "a positive number",
        lambda name, given: number_above_zero(name, given),
    )
    exact: Any = value(None, "columns in which matches must agree", "the name of a column, or a list", check_exact)
    bias_correction: bool = flag(False, "take out the bias of inexact matches by regressions among the matches")
    neighbours: int = count(
        2, "rows of the same arm that estimate the outcome's variance at a row; 0 for one variance for all", low=0
    )
    treatment_model: Any = value(
        None, "learner of the propensity: a logit by default", LEARNER, learner_for("probability")
    )
    tolerance: float = number(1e-5, "squared distances that differ by no more are ties", low=0.0)

    def check(self) -> None:
        if self.treatment_model is not None and self.distance not in ("propensity", "log-odds"):
            raise OptionError("treatment_model= is for distance='propensity' or 'log-odds'.")


def number_above_zero(name: str, given: Any) -> float:
    """A positive finite number."""
    usable = isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < np.inf
    if not usable:
        raise OptionError(f"{name}={given!r} is not a positive number.")
    return float(given)


def estimate(problem: EffectProblem, options: MatchingOptions) -> Estimate:
    """Average differences of matched rows, by group."""
    rows = problem.rows
    if not options.replace and problem.estimand == "ATE":
        raise OptionError("without replacement each row stands for one other: use estimand='ATT' or 'ATC'.")
    space = _space(problem, options)
    found = [_one(problem, options, space, group & (rows.w > 0)) for _, group in rows.groups]
    influence = np.zeros((len(rows.y), len(found)))
    for k, (at, made) in enumerate(found):
        influence[at, k] = made.influence
    nobs = int(np.count_nonzero(rows.w))
    fixed = rows.design.weights_object is not None
    moments = Moments(influence, np.eye(len(found)), nobs, float(nobs - len(found)), weights_fixed=fixed)
    variances = np.array([made.variance for _, made in found])
    averaged = sum(len(made.rows) for _, made in found)
    without = sum(int((made.sets.counts == 0).sum()) for _, made in found)
    told = {} if rows.arms is None else rows.arms.facts
    facts = {**told, "Rows averaged": averaged - without, "Rows without a match": without}
    facts["Rows used as matches"] = sum(int(np.count_nonzero(made.used)) for _, made in found)
    return Estimate(
        terms=rows.terms,
        theta=np.array([made.theta for _, made in found]),
        moments=moments,
        nobs=nobs,
        df_resid=float(nobs - len(found)),
        facts=facts,
        extra={
            "estimand": problem.estimand,
            "treatment": rows.treatment,
            "thetas": np.array([[made.theta for _, made in found]]),
            "treated": rows.treated,
            "sets": tuple(MatchedGroup(at[made.rows], at, made.sets) for at, made in found),
        },
        covary=partial(_covariance, rows.design, moments, variances, options.distance),
    )


def _one(
    problem: EffectProblem, options: MatchingOptions, space: Space, group: np.ndarray
) -> tuple[np.ndarray, Matched]:
    """The estimate of one group, and its rows."""
    rows = problem.rows
    at = np.flatnonzero(group)
    sample = Compared(rows.y[at], rows.w[at], rows.treated[at], rows.x[at])
    here = Space(space.at[at], space.limited[at], space.caliper, space.cells[at], space.tolerance)
    arms = {"ATT": (True,), "ATC": (False,), "ATE": (True, False)}[problem.estimand]
    averaged, sets = [], []
    for arm in arms:
        mine, pool = np.flatnonzero(sample.treated == arm), np.flatnonzero(sample.treated != arm)
        if len(pool) < options.matches:
            raise DataError(f"matches={options.matches}: an arm has {len(pool)} rows only.")
        find = matched if options.replace else matched_once
        averaged.append(mine)
        sets.append(find(here, mine, pool, options.matches))
    chosen, joined = np.concatenate(averaged), _joined(sets)
    if not joined.counts.any():
        raise NotIdentifiedError("no row has a match: widen the caliper, or match on fewer columns exactly.")
    made = estimate_matched(
        sample, here, chosen, joined, correct=options.bias_correction, neighbours=options.neighbours
    )
    return at, made


def _joined(sets: list[Any]) -> Any:
    from statinf.numerics.geometry.nearest import Neighbours

    if len(sets) == 1:
        return sets[0]
    first, second = sets
    return Neighbours(
        np.concatenate([first.start, first.start[-1] + second.start[1:]]),
        np.concatenate([first.points, second.points]),
        np.concatenate([first.squared, second.squared]),
    )


def _space(problem: EffectProblem, options: MatchingOptions) -> Space:
    """Coordinates of all rows in which distances are Euclidean."""
    rows = problem.rows
    x, w = rows.x, rows.w / rows.w.sum()
    if options.distance in ("propensity", "log-odds"):
        e = _propensity(problem, options)
        x = (e if options.distance == "propensity" else np.log(e / (1.0 - e)))[:, None]
    z = x - w @ x
    deviation = np.sqrt(w @ z**2)
    size = np.abs(x).max(axis=0, initial=0.0)
    flat = deviation <= 1e-14 * np.maximum(size, 1e-290)
    z = np.where(flat, 0.0, z / np.where(flat, 1.0, deviation))
    at = z
    if options.distance == "mahalanobis":
        # In the eigenvectors of the correlations, less those that are combinations of others.
        values, vectors = np.linalg.eigh((z * w[:, None]).T @ z)
        kept = values > 1e-10 * max(float(values.max(initial=0.0)), 1e-300)
        at = z @ (vectors[:, kept] / np.sqrt(values[kept]))
    caliper = np.inf if options.caliper is None else float(options.caliper)
    return Space(at, z, caliper, _cells(rows, options.exact), options.tolerance)


def _propensity(problem: EffectProblem, options: MatchingOptions) -> np.ndarray:
    rows = problem.rows
    learner = resolve("logit" if options.treatment_model is None else options.treatment_model, "probability")
    used = rows.w > 0
    fitted = learner.fit(rows.x[used], rows.d[used], over_mean(rows.w)[used], seed=problem.seed)
    ask = fitted.predict_proba if hasattr(fitted, "predict_proba") else fitted.predict
    return np.clip(np.asarray(ask(rows.x), np.float64), 1e-12, 1.0 - 1e-12)


def _cells(rows: EffectRows, exact: tuple[str, ...] | None) -> np.ndarray:
    """Cells of rows that agree in the columns of `exact`, shape (n,)."""
    cells = np.zeros(len(rows.y), np.intp)
    for name in exact or ():
        codes = rows.design.frame.categories(name).codes[rows.design.rows]
        absent = (codes < 0) & (rows.w > 0)
        if absent.any():
            first = int(rows.design.rows[np.argmax(absent)])
            raise DataError(f"exact='{name}' is missing in row {first} ({int(absent.sum())} rows); leave them out.")
        cells = np.unique(cells * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    return cells


def _covariance(design: Design, moments: Moments, variances: np.ndarray, distance: str, kind: Any) -> Covariance:
    known = ", propensity taken as known" if distance in ("propensity", "log-odds") else ""
    if kind == "AI":
        label = "Abadie and Imbens" + (", weights taken as fixed" if moments.weights_fixed else "")
        return Covariance(np.diag(variances), "AI", label + known, np.inf)
    return covariance(moments, kind, cluster_codes(design, kind), normal=True)


METHOD = EffectMethod(
    verb="effect",
    name="matching",
    estimate=estimate,
    options=MatchingOptions,
    fit=MatchedEffect,
    summary="nearest-neighbour matching with ties, calipers, exact groups, bias correction and Abadie-Imbens errors",
    citation="Abadie and Imbens (2006)",
    guarantee="consistent with enough overlap; errors right for a fixed number of matches",
    vignette="effects-arms",
)
