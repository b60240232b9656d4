"""From scores that are linear in the effect to estimates and influence values, for groups and repeated splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.formula.design import Design
from statinf.inference.clusters import RowClusters
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments, averaged
from statinf.inference.sandwich import covariance
from statinf.results import Estimate, stack_scores
from statinf.results.clusters import fit_clusters

Pieces = tuple[float, float, np.ndarray, np.ndarray]


@dataclass(frozen=True, repr=False)
class LinearScore(Brief):
    """A score psi = b - theta a of each row, row weights left out.

    Attributes
    ----------
    a, b : ndarray, shape (n,)
    """

    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True, repr=False)
class Splits(Brief):
    """Effects of every random split, whose median is the estimate.

    Attributes
    ----------
    thetas : ndarray, shape (splits, q)
    moments : tuple of Moments
        One per split.
    label : str
        What labels of covariances add about the nuisances.
    """

    thetas: np.ndarray
    moments: tuple[Moments, ...]
    label: str = ""

    @property
    def theta(self) -> np.ndarray:
        """Median over splits, shape (q,)."""
        return np.median(self.thetas, axis=0)

    def together(self) -> Moments:
        """The moments of the one split, or the mean of the splits' influence values."""
        return averaged(self.moments)

    def covariance(self, design: Design, kind: Any, *, normal: bool = True) -> Covariance:
        """Covariance of the effect of one split, or of the median over several."""
        clusters = cluster_codes(design, kind)
        found = [covariance(m, kind, clusters, normal=normal) for m in self.moments]
        label = found[0].label + self.label
        if len(found) == 1:
            return replace(found[0], label=label)
        matrix = combine_splits(np.stack([f.matrix for f in found]), self.thetas - self.theta)
        label = f"{label}, median of {len(found)} splits"
        return replace(found[0], matrix=matrix, label=label, square_root=None, degrees=None)


def cluster_codes(design: Design, kind: Any) -> RowClusters:
    """Codes of the columns that a covariance in normal form clusters by."""
    return fit_clusters(design, kind)


def combine_splits(matrices: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Covariance of a median over splits (Chernozhukov et al. 2018): each variance is median(V_r + deviation_r^2).

    Parameters
    ----------
    matrices : ndarray, shape (splits, q, q)
    deviations : ndarray, shape (splits, q)
        Of each split's estimate from the median.
    """
    variances = np.median(np.diagonal(matrices, axis1=1, axis2=2) + deviations**2, axis=0)
    mean = matrices.mean(axis=0)
    root = np.sqrt(variances / np.diag(mean))
    return mean * np.outer(root, root)


def solve_scores(rows: EffectRows, scores: Iterable[LinearScore]) -> Splits:
    """Effects and moments of every split and group.

    Parameters
    ----------
    rows : EffectRows
    scores : iterable of LinearScore
        One per split.
    """
    masks = np.column_stack([m for _, m in rows.groups]).astype(np.float64)
    plain, everyone = bool((rows.w == 1.0).all()), bool((masks == 1.0).all())
    nobs = int(np.count_nonzero(rows.w))
    thetas, moments = [], []
    for score in scores:
        a, b = (score.a, score.b) if plain else (rows.w * score.a, rows.w * score.b)
        below = a @ masks
        theta = (b @ masks) / below
        unit = score.b[:, None] - score.a[:, None] * theta
        unit = unit if everyone else unit * masks
        stacked = stack_scores(rows.design.weights_object, rows.design.rows, unit)
        thetas.append(theta)
        moments.append(
            Moments(
                unit if plain else unit * rows.w[:, None],
                np.diag(1.0 / below),
                nobs,
                float(nobs - len(theta)),
                **stacked,
            )  # type: ignore[arg-type]
        )
    return Splits(np.stack(thetas), tuple(moments))


def effect_estimate(
    problem: EffectProblem,
    splits: Splits,
    *,
    nuisance: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    estimand: str = "",
    sensitivity: Callable[[], list[Pieces]] | None = None,
) -> Estimate:
    """What a method with scores hands to its fit.

    Parameters
    ----------
    problem : EffectProblem
    splits : Splits
    nuisance : mapping of str to ndarray, shape (n,)
        Predictions of the first split.
    facts : mapping of str to object
        Numbers for the summary.
    estimand : str
        The problem's by default.
    sensitivity : callable, optional
        Gives sigma2, nu2 and their scores, one tuple per split, for bounds on omitted variables.
    """
    rows, first = problem.rows, next(iter(splits.moments))
    told = {} if rows.arms is None else rows.arms.facts
    return Estimate(
        terms=rows.terms,
        theta=splits.theta,
        moments=splits.together if len(splits.moments) > 1 else first,
        nobs=first.nobs,
        df_resid=first.df_resid,
        facts={**told, **facts},
        extra={
            "estimand": estimand or problem.estimand,
            "treatment": rows.treatment,
            "thetas": splits.thetas,
            "splits": splits,
            "nuisance": dict(nuisance),
            "treated": rows.treated,
            "pieces": sensitivity,
        },
        covary=partial(splits.covariance, rows.design),
    )
