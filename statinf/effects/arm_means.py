"""Means of the outcome if all rows were in one arm, for every arm, and the effects that are their differences.

A method estimates the means jointly; effects against the reference, their covariance and joint tests follow from one
matrix of contrasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.arms import shown_level
from statinf.effects.estimate import LinearScore, Splits
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.results import Estimate, stack_scores


def mean_terms(rows: EffectRows) -> tuple[str, ...]:
    """Names of the means, group by group, the reference first."""
    assert rows.arms is not None
    names = [f"{rows.treatment}[{shown_level(level)}]" for level in rows.arms.ordered]
    return tuple(f"{name}[{label}]" if label else name for label, _ in rows.groups for name in names)


def contrast_matrix(rows: EffectRows) -> np.ndarray:
    """From means, group by group, to effects against the reference, shape (groups (K - 1), groups K)."""
    assert rows.arms is not None
    count = len(rows.arms.levels)
    one = np.column_stack([-np.ones(count - 1), np.eye(count - 1)])
    return np.kron(np.eye(len(rows.groups)), one)


def solve_means(rows: EffectRows, scores: Iterable[Sequence[LinearScore]], label: str = "") -> Splits:
    """Means and moments of every split from the linear scores of each arm, group by group.

    Parameters
    ----------
    rows : EffectRows
    scores : iterable of sequence of LinearScore
        One sequence per split, one score per arm.
    label : str
        What labels of covariances add about the nuisances.
    """
    thetas, moments = [], []
    for arms in scores:
        theta, unit = [], []
        for _, group in rows.groups:
            everyone = bool(group.all())
            for score in arms:
                a, b = (v if everyone else np.where(group, v, 0.0) for v in (score.a, score.b))
                below = float(rows.w @ a)
                theta.append(float(rows.w @ b) / below)
                unit.append((b - a * theta[-1]) / below)
        thetas.append(np.array(theta))
        moments.append(influence_moments(rows, np.column_stack(unit)))
    return Splits(np.stack(thetas), tuple(moments), label)


def influence_moments(rows: EffectRows, unit: np.ndarray) -> Moments:
    """Moments of estimates whose influence values per unit of weight are known, shape (n, q)."""
    extra = stack_scores(rows.design.weights_object, rows.design.rows, unit)
    nobs = int(np.count_nonzero(rows.w))
    # As many as there are effects, so that means and effects have the same small-sample factors.
    df = float(nobs - len(rows.terms))
    return Moments(unit * rows.w[:, None], np.eye(unit.shape[1]), nobs, df, **extra)  # type: ignore[arg-type]


def means_estimate(
    problem: EffectProblem, splits: Splits, *, nuisance: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> Estimate:
    """The means of all arms as a method with scores hands them over."""
    first = next(iter(splits.moments))
    rows = problem.rows
    return Estimate(
        terms=mean_terms(rows),
        theta=splits.theta,
        moments=splits.together if len(splits.moments) > 1 else first,
        nobs=first.nobs,
        df_resid=first.df_resid,
        facts={**({} if rows.arms is None else rows.arms.facts), **facts},
        extra={
            "estimand": problem.estimand,
            "treatment": rows.treatment,
            "thetas": splits.thetas,
            "splits": splits,
            "nuisance": dict(nuisance),
            "treated": rows.treated,
        },
        covary=partial(splits.covariance, rows.design),
    )


def differences(problem: EffectProblem, settings: Any, means: Estimate) -> Estimate:
    """Differences from the reference, with the means' joint covariance carried over; no option changes them.

    Of several random splits the effects are medians of the splits' differences.
    """
    rows = problem.rows
    matrix = contrast_matrix(rows)
    if "splits" in means.extra:
        return contrasted(problem, means, lambda theta: (theta, np.ones_like(theta)))
    assert means.covary is not None
    return replace(
        means,
        terms=rows.terms,
        theta=matrix @ means.theta,
        moments=partial(_later, means.source, matrix),
        extra={**means.extra, "thetas": means.theta[None] @ matrix.T},
        covary=partial(_carried, means.covary, matrix),
    )


def contrasted(
    problem: EffectProblem, means: Estimate, scale: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> Estimate:
    """Differences from the reference on a scale, split by split.

    Parameters
    ----------
    problem : EffectProblem
    means : Estimate
        Of a method with scores.
    scale : callable
        From means (m,) to their values on the scale, and its derivative there.
    """
    rows = problem.rows
    matrix, splits = contrast_matrix(rows), means.extra["splits"]
    thetas, moments = [], []
    for theta, moment in zip(splits.thetas, splits.moments, strict=True):
        value, slope = scale(theta)
        thetas.append(matrix @ value)
        moments.append(combined(moment, matrix * slope))
    made = Splits(np.stack(thetas), tuple(moments), splits.label)
    return replace(
        means,
        terms=rows.terms,
        theta=made.theta,
        moments=made.together if len(moments) > 1 else moments[0],
        extra={**means.extra, "thetas": made.thetas, "splits": made},
        covary=partial(made.covariance, rows.design),
    )


def combined(full: Moments, matrix: np.ndarray) -> Moments:
    """Moments of linear combinations (m, q) of estimates."""
    inside, outside = full.split
    through = inside @ (matrix @ outside).T

    def some(scores: np.ndarray | None) -> np.ndarray | None:
        return None if scores is None else scores @ through

    return Moments(
        full.scores @ through,
        np.eye(len(matrix)),
        full.nobs,
        full.df_resid,
        adjustment=some(full.adjustment),
        outside=some(full.outside),
        outside_rows=full.outside_rows,
        weight_leverage=full.weight_leverage,
        weights_fixed=full.weights_fixed,
    )


def _later(source: Callable[[], Moments], matrix: np.ndarray) -> Moments:
    return combined(source(), matrix)


def _carried(covary: Callable[[Any], Covariance], matrix: np.ndarray, kind: Any) -> Covariance:
    return covary(kind).combined(matrix)
