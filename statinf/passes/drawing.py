"""Bootstrap draws of an estimate whose scores are made block by block: multipliers told by a row's place, in one pass.

The multiplier bootstrap perturbs sums of influence values and refits nothing, so that all replicas are one product of matrices
a block: multipliers, which a counter generator makes where the row stands in the table, times influence values. With clusters
sums by cluster are drawn, by the multipliers that rows in memory have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.formula.frame import as_frame
from statinf.inference import bootstrap as engine
from statinf.inference.row_multipliers import multiplied_sums
from statinf.passes.covariance import PassScores, sums_by_cluster
from statinf.passes.design import PassDesign
from statinf.passes.grouping import grouped
from statinf.passes.levels import is_declared
from statinf.passes.scored import ScoredRows
from statinf.passes.stacking import beside_rows


@dataclass(frozen=True)
class PerturbedSums:
    """Sums over rows.

    Attributes
    ----------
    draws : ndarray, shape (replicas, q)
        Of influence values times multipliers.
    squares, cubes : ndarray, shape (q,)
        Of influence values.
    """

    draws: np.ndarray
    squares: np.ndarray
    cubes: np.ndarray

    def plus(self, other: PerturbedSums) -> PerturbedSums:
        """Of both."""
        return PerturbedSums(self.draws + other.draws, self.squares + other.squares, self.cubes + other.cubes)


def block_draws(
    scores: PassScores,
    theta: np.ndarray,
    *,
    replicas: int,
    kind: str = "multiplier",
    law: str = "mammen",
    seed: int = 0,
    cluster: str | None = None,
    combine: np.ndarray | None = None,
    residuals: bool = False,
    show: bool | None = None,
) -> engine.Bootstrap:
    """Draws of an estimate, by one pass, or by two with clusters.

    Parameters
    ----------
    scores : PassScores
    theta : ndarray, shape (r,)
    replicas, seed : int
    kind : {"multiplier", "wild"}
        "wild" scales residuals by their leverage, as for rows in memory.
    law : str
        Of the multipliers.
    cluster : str, optional
        The column whose clusters are drawn; rows by default, by their place in the table.
    combine : ndarray, shape (r, q), optional
        Takes errors of the coefficients to those of `theta`; the coefficients themselves by default.
    residuals : bool
        Whether the estimator is a linear regression, which has a wild bootstrap.
    show : bool, optional
        Progress bar of clusters' draws; passes have their own.

    Returns
    -------
    Bootstrap

    Raises
    ------
    NotIdentifiedError
        If the estimator does not have that bootstrap, or its weights rest on rows of a second sample.
    """
    score = scores.score
    if beside_rows(scores.made, score) is not None:
        raise NotIdentifiedError(
            "the weights rest on the rows of a second sample, which are not drawn here; use the fit's standard errors, which count "
            "both samples, or hand over tables in memory."
        )
    if kind == "wild":
        _check_wild(scores, residuals)
        score = partial(_levered, score)
    push = scores.outside if scores.inner is None else scores.outside @ scores.inner
    push = push if combine is None else combine @ push
    if cluster is not None:
        sums = _in_order(scores.made, cluster, replace(scores, score=score)) @ push.T
        drawn = engine.one_step(
            theta, sums, replicas=replicas, seed=seed, law=law, clusters=np.arange(len(sums)), show=show
        )
        return replace(drawn, kind=kind)
    found: PerturbedSums = scores.made.total(
        partial(_perturbed, score, push, replicas, law, seed), "bootstrap", placed=True
    )
    acceleration = found.cubes / (6.0 * np.maximum(found.squares, np.finfo(float).tiny) ** 1.5)
    return engine.Bootstrap(theta + found.draws, kind, law, seed, acceleration)


def _check_wild(scores: PassScores, residuals: bool) -> None:
    if not residuals:
        raise NotIdentifiedError("the wild bootstrap is for linear regressions; use kind='multiplier'.")
    if scores.plain is not None:
        raise NotIdentifiedError(
            "the wild bootstrap takes weights as known; use kind='multiplier' with estimated ones."
        )


def _levered(score: Callable[[Design], ScoredRows], block: Design) -> ScoredRows:
    made = score(block)
    return replace(made, scores=made.scores / np.sqrt(1.0 - np.minimum(made.leverage, 1.0 - 1e-10))[:, None])


def _perturbed(
    score: Callable[[Design], ScoredRows],
    push: np.ndarray,
    replicas: int,
    law: str,
    seed: int,
    block: Design,
    first: int,
) -> PerturbedSums:
    made = score(block)
    rows = np.zeros((block.n_total, len(push)))
    rows[block.rows] = made.total @ push.T
    if made.outside is not None:
        rows[made.outside_rows] = made.outside @ push.T
    draws = multiplied_sums(rows, first, replicas, law=law, seed=seed)
    return PerturbedSums(draws, (rows**2).sum(axis=0), (rows**3).sum(axis=0))


def _in_order(made: PassDesign, name: str, scores: PassScores) -> np.ndarray:
    """Sums of whitened scores by cluster, in the order that the clusters have among rows in memory, shape (groups, q)."""
    known = grouped(made, [name])
    numbers, sums = sums_by_cluster(replace(scores, made=known), name)
    values = known.clusters[name].values[numbers]
    frame = as_frame(known.table.first(known.columns))
    if is_declared(frame, name):
        place = {level: i for i, level in enumerate(frame.categories(name).levels)}
        return sums[np.argsort([place.get(v, len(place)) for v in values], kind="stable")]
    try:
        return sums[np.argsort(values.to_numpy(), kind="stable")]
    except TypeError:  # values without an order
        return sums
