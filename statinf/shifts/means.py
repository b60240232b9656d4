"""The mean outcome of a target population: what its estimators share.

Dahabreh, Robertson, Steingrimsson, Stuart and Hernan (2020, Statistics in Medicine 39) for targets sampled separately. The
estimand is E_T[y] where only the source records y. It is identified if y given x has the same law in both populations.
An estimator is a sum of means, each with the influence of every row of both samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.glm.families import Family
from statinf.numerics.linear.products import column_sums, row_products
from statinf.results import Estimate, Options, Weights, flag
from statinf.results.clusters import fit_clusters
from statinf.shifts.problem import ShiftProblem, mean_model
from statinf.shifts.ratio_choice import place_in_target
from statinf.shifts.samples import Samples

MODELS = ", estimated models included"
"""What labels of covariances say of the stages before the mean."""


@dataclass(frozen=True, kw_only=True)
class WeightedMeanOptions(Options):
    """Options of the means that use a density ratio."""

    normalize: bool = flag(
        True, "divide by the sum of the weights (Hájek) instead of the number of rows (Horvitz and Thompson)"
    )


@dataclass(frozen=True, repr=False)
class Mean(Brief):
    """A mean with the influence of every row of both samples, through the estimated models where they matter.

    Attributes
    ----------
    value : float
    on_source, on_target : ndarray, shape (n,) and (m,)
        Behind the rows of the target may stand further ones of either sample that moved a given ratio.
    parts : dict
        What the value is the sum of.
    """

    value: float
    on_source: np.ndarray
    on_target: np.ndarray
    parts: dict[str, float]

    def __add__(self, other: Mean) -> Mean:
        return Mean(
            self.value + other.value,
            self.on_source + other.on_source,
            _sum(self.on_target, other.on_target),
            self.parts | other.parts,
        )


def _sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of two vectors of which the shorter ends in zeros."""
    out = np.zeros(max(len(a), len(b)))
    out[: len(a)] += a
    out[: len(b)] += b
    return out


@dataclass(frozen=True, repr=False)
class OutcomeModel(Brief):
    """The regression on the source, with its means and their slopes in the coefficients on both samples.

    Attributes
    ----------
    fitted, slope : ndarray, shape (n,) and (n, k)
    at_target, target_slope : ndarray, shape (m,) and (m, k)
    moments : Moments
        Of its coefficients.
    """

    fitted: np.ndarray
    slope: np.ndarray
    at_target: np.ndarray
    target_slope: np.ndarray
    moments: Moments

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """Influence of each row on the coefficients along a direction (k,), shape (n,)."""
        return self.moments.influence_along(direction)


def outcome_model(problem: ShiftProblem) -> OutcomeModel:
    """Fit it on the source rows, unweighted by the ratio."""
    samples, family = problem.samples, problem.family
    check_linear(samples.target.known is not None, family, offset=samples.design.offset is not None)
    made = mean_model(samples.design, family)
    ok = ~np.isnan(made.theta)

    def means(x: np.ndarray, offset: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        x = x if ok.all() else x[:, ok]
        eta = row_products(x, made.theta[ok])
        eta = eta if offset is None else eta + offset
        # Means that are the predictor itself have the columns for slopes.
        plain = family.link.name == "identity"
        return family.link.inverse(eta), x if plain else x * family.link.slope(eta)[:, None]

    design, target = samples.design, samples.target
    return OutcomeModel(*means(design.parts[0].values, design.offset), *means(target.x, target.offset), made.source())


def check_linear(known: bool, family: Family, *, offset: bool) -> None:
    """Refuse a curved outcome model over known margins.

    Raises
    ------
    NotIdentifiedError
    """
    if known and (family.link.name != "identity" or offset):
        raise NotIdentifiedError(
            "known margins do not determine the mean of a curved outcome model, or of an offset, over the target; use "
            "method='ipw', or a gaussian family."
        )


def model_mean(model: OutcomeModel, samples: Samples) -> Mean:
    """The outcome model averaged over the target."""
    share = samples.target.weights / samples.target.weights.sum()
    average = float(share @ model.at_target)
    return Mean(
        average,
        model.moved(column_sums(model.target_slope, share)),
        share * (model.at_target - average),
        {"model over the target": average},
    )


def weighted_mean(
    samples: Samples,
    ratio: Weights,
    rest: np.ndarray,
    name: str,
    normalize: bool,
    model: OutcomeModel | None = None,
    factor: np.ndarray | None = None,
) -> Mean:
    """The weighted mean of outcomes, or of the residuals of a model, over the source.

    Parameters
    ----------
    samples : Samples
    ratio : Weights
    rest : ndarray, shape (n,)
    name : str
        Of the part.
    normalize : bool
    model : OutcomeModel, optional
        Whose residuals `rest` holds.
    factor : ndarray, shape (n,), optional
        Multiplies the weights; taken as known.
    """
    design = samples.design
    position: Any = slice(None)  # where all rows of the ratio are rows of the design nothing is picked
    if not np.array_equal(ratio.used, design.rows):
        position = np.searchsorted(ratio.used, design.rows)
    scale = np.ones(len(rest)) if factor is None else factor
    w = ratio.values[position] * scale
    plain = np.zeros(0) if normalize else _without_ratio(ratio, design)
    total = float(w.sum()) if normalize else float(plain.sum())
    average = float(w @ rest) / total
    centre = average if normalize else 0.0
    # What is divided by is a sum over rows too: of the weights under the ratio, or of the row weights alone.
    on_source = w * (rest - centre) / total - (0.0 if normalize else average * plain / total)
    on_target = np.zeros(len(samples.target.rows))
    if model is not None:
        on_source = on_source - model.moved(column_sums(model.slope, w / total))
    if ratio.expansion is not None and isinstance(position, slice):
        by_row = ratio.expansion()
        pull = by_row.gradient((rest - centre) * scale / total)
        on_source = on_source + by_row.moved(pull)
        on_target = _on_target_rows(by_row.others_moved(pull), ratio, samples)
    elif ratio.derivative is not None:
        pull = column_sums(ratio.derivative[position], (rest - centre) * scale / total)
        on_source = on_source + row_products(ratio.influence[position], pull)
        if ratio.other_influence is not None:
            on_target = _on_target_rows(row_products(ratio.other_influence, pull), ratio, samples)
        if len(ratio.used) > len(design.rows):
            # Source rows that the mean lacks, such as those without an outcome, moved the ratio too.
            left = ~np.isin(ratio.used, design.rows)
            on_target = np.concatenate([on_target, row_products(ratio.influence[left], pull)])
    return Mean(average, on_source, on_target, {name: average})


def _held(ratio: Weights) -> Samples | None:
    """The samples that a ratio was estimated on; a saved one leaves them out."""
    return getattr(getattr(ratio, "origin", ratio), "samples", None)


def _without_ratio(ratio: Weights, design: Design) -> np.ndarray:
    """The rows' weights without the ratio in them, on the scale of those with it, shape (n,).

    A ratio that is given brings the row weights that it was estimated with; those of known numbers are not known.
    """
    origin = getattr(ratio, "origin", ratio)
    estimated = getattr(origin, "ratio", None)
    if estimated is None:
        return design.weights
    some = estimated > 0.0
    own = np.divide(origin.values, estimated, out=np.zeros(len(some)), where=some)
    held = _held(ratio)
    if held is not None:
        weights = held.source.weights
        own = weights * (own[some].sum() / weights[some].sum())
    elif not (some.all() or origin.counted):
        raise DataError(
            "a saved density ratio that is zero somewhere does not know the rows' own weights: use normalize=True, or make "
            "the ratio again."
        )
    full = np.zeros(origin.n_total)
    full[origin.used] = own
    identity = origin.identity if origin is not ratio else None
    found = None if identity is None else identity.locate(design.frame)
    return full[design.rows if found is None else found.position[design.rows]]


def _on_target_rows(values: np.ndarray, ratio: Weights, samples: Samples) -> np.ndarray:
    """Influence of the target rows behind a ratio, on the target rows of the outcome model."""
    held = _held(ratio)
    target, place = samples.target, place_in_target(ratio, samples)
    if place is None and (held is None or np.array_equal(held.target.rows, target.rows)):
        return values
    if held is None:
        raise DataError(
            "a saved density ratio does not know which target rows moved it: give the target in the order that it was made "
            "for, or make the ratio again."
        )
    # Rows of the ratio's target that the outcome model lacks still moved the ratio: they follow as rows of their own.
    full, moved = np.zeros(held.target.n_total), np.zeros(held.target.n_total, bool)
    full[held.target.rows], moved[held.target.rows] = values, True
    if place is not None:
        full, moved = full[place], moved[place]
    beside = np.setdiff1d(np.flatnonzero(moved), target.rows)
    return np.concatenate([full[target.rows], full[beside]])


def mean_estimate(mean: Mean, problem: ShiftProblem) -> Estimate:
    """The mean as an estimate whose covariance counts both samples."""
    design, target = problem.samples.design, problem.samples.target
    present = design.weights > 0
    nobs = int(np.count_nonzero(present))
    # Rows of either sample enter as scores with a bread of one; the target is a sample of its own.
    moments = Moments(
        mean.on_source[:, None], np.eye(1), nobs, float(nobs - 1), outside=mean.on_target[:, None], present=present
    )
    return Estimate(
        terms=("mean",),
        theta=np.array([mean.value]),
        moments=moments,
        df_resid=np.inf,
        covary=partial(stacked, design, moments, ratio=problem.ratio),
        extra={
            "on_source": mean.on_source,
            "on_target": mean.on_target,
            "ess": np.nan if problem.ratio is None else problem.ratio.ess,
            "parts": mean.parts,
            "target_rows": target.nobs,
        },
    )


def stacked(design: Design, moments: Moments, kind: Any, ratio: Weights | None = None) -> Covariance:
    """The sandwich of both samples under its name, which tells of a ratio whose estimation has no theory."""
    found = covariance(moments, kind, fit_clusters(design, kind), normal=True)
    fixed = ratio is not None and ratio.method != "known" and not ratio.counted
    said = f"{MODELS}, density ratio taken as fixed" if fixed else MODELS
    return replace(found, label=found.label.replace(", weights estimated", said))


def whole_ratio(options: WeightedMeanOptions) -> float:
    """The power of the ratio: these means take it whole."""
    return 1.0
