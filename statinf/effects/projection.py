"""Projections of doubly robust scores: what can be said about heterogeneity without trusting a learner.

The score of each row is unbiased for its effect, so that a regression of scores on any columns estimates the
best linear projection of the effect on them (Semenova and Chernozhukov 2021, arXiv 1702.06240). Group means
are the projection on indicators. Columns that are made of predicted effects are evaluated by blocks of rows, as
`statinf.effects.evaluation` says: one regression per block, whose coefficients are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.estimate import cluster_codes, combine_splits
from statinf.effects.evaluation import combine
from statinf.formula.design import Design
from statinf.formula.part_sides import PartSide
from statinf.formula.recipe import Recipe
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments, averaged
from statinf.inference.sandwich import covariance
from statinf.inference.vcov import VcovSpec
from statinf.numerics.linear.least_squares import LeastSquaresSolution, solve
from statinf.results import Estimate, Fit, Method, stack_scores
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs

Regression = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows (m,), columns (m, q) and response (m,) of a block."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Projection(MarginVerbs, Fit):
    """A regression whose outcome is a score of the effect.

    Attributes
    ----------
    heading : str
    evaluation : {"sequential", "cross-fold", ""}
        How predicted effects were evaluated; empty where none were.
    effect_recipe : Recipe or None
        Makes the columns for new rows where they are those of a formula.
    """

    heading: str
    evaluation: str = ""
    effect_recipe: Recipe | None = None

    normal_reference = True

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        if self.effect_recipe is None or not self.estimable.all():
            self.refuse(promise, "its columns are not those of a formula, or some are aliased")
        return linear_mean(self.effect_recipe, self.theta, sides=(PartSide("covariates", True),), what="effect")

    @property
    def title(self) -> str:
        return self.heading


@dataclass(frozen=True, eq=False)
class _SplitRegressions:
    """Regressions of all blocks of one split, and the mean of their coefficients.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        NaN where no block has an estimate.
    moments : Moments
        Of all blocks' coefficients together, those without an estimate left out.
    pick : ndarray, shape (q with an estimate, coefficients)
    """

    theta: np.ndarray
    moments: Moments
    pick: np.ndarray

    @property
    def single(self) -> bool:
        """Whether there is nothing to average."""
        return np.array_equal(self.pick, np.eye(self.moments.q))

    @property
    def averaged(self) -> Moments:
        """Moments of the averaged coefficients."""
        m = self.moments
        if self.single:
            return m
        outside = None if m.outside is None else m.outside @ (self.pick @ m.bread).T
        return Moments(
            m.influence @ self.pick.T,
            np.eye(len(self.pick)),
            m.nobs,
            m.df_resid,
            outside=outside,
            outside_rows=m.outside_rows,
            weights_fixed=m.weights_fixed,
            # A rule that all rows follow leaves scores of zero: its rows are there all the same.
            present=m.observed,
        )

    def covariance(self, kind: Any, clusters: Mapping[str, np.ndarray]) -> Covariance:
        """Covariance of the averaged coefficients."""
        if self.single:
            return covariance(self.moments, kind, clusters, normal=True)
        if isinstance(kind, dict) and kind.get("type", "HC1") in ("HC0", "HC1"):
            # Clusters are counted against the averages, not against the coefficients of all blocks.
            return covariance(self.averaged, kind, clusters, normal=True)
        found = covariance(self.moments, kind, clusters, normal=True)
        return found.combined(self.pick)


def project(
    design: Design,
    columns: np.ndarray,
    names: Sequence[str],
    response: np.ndarray,
    *,
    vcov: Any,
    heading: str,
    formula: str = "",
) -> Projection:
    """Regress scores on columns of all rows; aliased ones have no estimate.

    Parameters
    ----------
    design : Design
    columns : ndarray, shape (n, k)
    names : sequence of str
    response : ndarray, shape (n,)
    vcov : str, mapping or VcovSpec
    heading : str
    formula : str
        That of the columns; the design's by default.
    """
    block = (np.arange(design.n), columns, response)
    fit = project_blocks(design, [[block]], names, vcov=vcov, heading=heading)
    return replace(fit, formula=formula) if formula else fit


def project_blocks(
    design: Design,
    splits: Sequence[Sequence[Regression]],
    names: Sequence[str],
    *,
    vcov: Any,
    heading: str,
    evaluation: str = "",
    facts: dict[str, Any] | None = None,
) -> Projection:
    """Regress scores block by block and average the coefficients; median over splits.

    Parameters
    ----------
    design : Design
    splits : sequence of sequence of Regression
        The blocks of every split.
    names : sequence of str
        Of the coefficients, q of them.
    vcov : str, mapping or VcovSpec
    heading : str
    evaluation : str
    facts : dict, optional
        For the summary.
    """
    made = [_split(design, blocks, len(names)) for blocks in splits]
    thetas = np.stack([one.theta for one in made])
    first = made[0].moments
    estimate = Estimate(
        terms=tuple(names),
        theta=np.median(thetas, axis=0),
        moments=partial(_moments, tuple(made)),
        nobs=first.nobs,
        df_resid=first.df_resid,
        facts=facts or {},
        extra={"heading": heading, "evaluation": evaluation},
        covary=partial(_covariance, design, tuple(made), thetas),
    )
    return Projection.of(design, estimate, vcov, method=METHOD)


def _split(design: Design, blocks: Sequence[Regression], q: int) -> _SplitRegressions:
    """One regression with a set of columns per block, which are zero elsewhere."""
    columns, response, w = np.zeros((design.n, q * len(blocks))), np.zeros(design.n), np.zeros(design.n)
    for b, (rows, some, y) in enumerate(blocks):
        columns[rows, b * q : (b + 1) * q] = some
        response[rows], w[rows] = y, design.weights[rows]
    solution = solve(columns, response, w)
    moments = _regression_moments(design, columns[:, solution.kept], response, w, solution)
    by_block = solution.coef.reshape(len(blocks), q)
    if len(blocks) == 1:
        return _SplitRegressions(by_block[0], moments, np.eye(int(solution.kept.sum())))
    spread = np.ones(len(solution.kept))
    spread[solution.kept] = np.sqrt(np.diag(moments.bread))
    weights = combine(by_block, spread.reshape(by_block.shape))
    there = np.isfinite(weights).all(axis=0)
    theta = np.where(there, np.nansum(weights * by_block, axis=0), np.nan)
    # Coefficient j of all blocks goes into average j.
    pick = (weights[:, None, :] * np.eye(q)[None]).transpose(1, 0, 2).reshape(q, -1)
    return _SplitRegressions(theta, moments, np.nan_to_num(pick[there])[:, solution.kept])


def _regression_moments(
    design: Design, columns: np.ndarray, response: np.ndarray, w: np.ndarray, solution: LeastSquaresSolution
) -> Moments:
    unit = columns * (response - columns @ solution.coef[solution.kept])[:, None]
    nobs = int(np.count_nonzero(w))
    df = float(nobs - solution.rank)
    return Moments(
        unit * w[:, None],
        solution.inverse_gram,
        nobs,
        df,
        solution.inverse_gram * (float(solution.rss) / df) if df > 0 else None,
        columns=columns,
        working=w,
        factor=solution.factor,
        **stack_scores(design.weights_object, design.rows, unit),  # type: ignore[arg-type]
    )


def _moments(splits: tuple[_SplitRegressions, ...]) -> Moments:
    """Moments of the one split, or the mean of the splits' influence values."""
    return averaged([one.averaged for one in splits])


def _covariance(design: Design, splits: tuple[_SplitRegressions, ...], thetas: np.ndarray, kind: Any) -> Covariance:
    clusters = cluster_codes(design, kind)
    found = [one.covariance(kind, clusters) for one in splits]
    if len(found) == 1:
        return found[0]
    kept = np.isfinite(thetas).all(axis=0)
    every = thetas[:, kept]
    matrix = combine_splits(np.stack([f.matrix for f in found]), every - np.median(every, axis=0))
    return replace(
        found[0],
        matrix=matrix,
        label=f"{found[0].label}, median of {len(found)} splits",
        square_root=None,
        degrees=None,
    )


def default_spec(clusters: Sequence[str], kind: str) -> VcovSpec:
    """The covariance where the caller asks for none: clustered, where the fit has clusters."""
    if clusters:
        return VcovSpec("cluster", tuple(clusters), explicit=False)
    return VcovSpec(kind, explicit=False)


METHOD = Method(
    verb="cate",
    name="projection",
    estimate=project_blocks,
    summary="projection of doubly robust scores",
    citation="projection of doubly robust scores (Semenova and Chernozhukov 2021)",
    arxiv="1702.06240",
)
