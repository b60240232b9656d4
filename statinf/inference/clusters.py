"""Sums of scores by cluster: one-way, several ways, and the corrections for few or uneven clusters.

G / (G - 1) and, for the type HC1, (n - 1) / (n - k); several cluster variables enter by inclusion and exclusion, each
intersection with its own factor (as R's sandwich does) or all with that of the fewest clusters (as fixest and Stata's
reghdfe do), and a matrix that this leaves indefinite is repaired by its eigenvalues (Cameron, Gelbach and Miller 2011). HC2
and HC3 are the corrections CR2 and CR3 of Bell and McCaffrey (2002); CR2 comes with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, StatinfWarning, issue_warning
from statinf.inference.cluster_parts import POWER, corrected_clusters
from statinf.inference.moments import Moments, need_degrees, small_sample
from statinf.inference.random_effects import MOST_CLUSTERS, RandomEffectDegrees, moulton
from statinf.inference.roots import matrix_root, repaired, root_of
from statinf.inference.satterthwaite import ClusterDegrees
from statinf.numerics.linear.triangular import solve_triangular

FEW_CLUSTERS = 10
"""Below this number clustered standard errors of type HC1 are known to be too small."""


@dataclass(frozen=True)
class RowClusters(Mapping[str, np.ndarray]):
    """Codes of cluster variables on the rows of a fit, shape (n,) each, and how to find those of other rows.

    Attributes
    ----------
    codes : mapping of str to ndarray of int
    elsewhere : callable
        From a name and row numbers (m,) to codes (m,) of these rows, -1 where the cluster is not known.
    columns : mapping of str to ndarray, shape (n,)
        What other covariances read: codes of times and units in their order, and coordinates.
    """

    codes: Mapping[str, np.ndarray]
    elsewhere: Callable[[str, np.ndarray], np.ndarray]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.codes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.codes)

    def __len__(self) -> int:
        return len(self.codes)


def joined_codes(moments: Moments, clusters: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Codes of the rows of a fit, those without a weight left out, and behind them of rows that only made its weights.

    A row whose cluster is not known is one by itself.
    """
    inside = clusters[name]
    if moments.outside is None:
        return inside if moments.observed is None else _without_gaps(inside[moments.observed])
    outside = np.full(len(moments.outside), -1)
    if isinstance(clusters, RowClusters) and moments.outside_rows is not None:
        outside = clusters.elsewhere(name, moments.outside_rows)
    alone = outside < 0
    outside[alone] = max(int(inside.max()), int(outside.max(initial=-1))) + 1 + np.arange(int(alone.sum()))
    both = np.append(inside if moments.observed is None else inside[moments.observed], outside)
    return _without_gaps(both)


@dataclass(frozen=True)
class ClusteredMeat:
    """A clustered covariance and what is told beside it.

    Attributes
    ----------
    matrix : ndarray, shape (q, q)
    root : ndarray, shape (q, r)
    count : int
        The smallest number of clusters.
    mended : bool
        Whether negative eigenvalues were set to zero.
    degrees : ClusterDegrees or None
        Where degrees of freedom are Satterthwaite's.
    """

    matrix: np.ndarray
    root: np.ndarray
    count: int
    mended: bool
    degrees: ClusterDegrees | None = None


def clustered(moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray]) -> ClusteredMeat:
    """The clustered covariance.

    Parameters
    ----------
    moments : Moments
    kind : mapping
        `{"cluster": name or names, "type": "HC1"}`, with "df" and "factor" if they were given.
    clusters : mapping of str to ndarray of int, shape (n,)
        Codes of the cluster variables, from 0.
    """
    names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
    variant = kind.get("type", "HC1")
    codes = [joined_codes(moments, clusters, name) for name in names]
    counts = [_count(moments, code) for code in codes]
    for name, count in zip(names, counts, strict=True):
        if count < 2:
            raise DataError(f"the cluster column '{name}' has one value; clustered standard errors need at least two.")
    smallest = min(counts)
    whose = degrees_of_freedom(kind)
    own = whose != "clusters"
    if not own or smallest < moments.q:
        _warn_few(smallest, moments, names[counts.index(smallest)], variant, "CR2" if len(codes) == 1 else "HC3")
    outside = moments.split[1]
    degrees = None
    mended = False
    if len(codes) == 1 and own:
        units, degrees = _with_degrees(moments, codes[0], variant, whose)
        units = units * np.sqrt(_factor(moments, smallest, variant))
        meat = units.T @ units
        root = root_of(meat, lambda: units)
    elif len(codes) == 1:
        units = _one_way(moments, codes[0], variant)
        meat = units.T @ units
        root = root_of(meat, lambda: units)
    else:
        before = _several_ways(moments, codes, variant, smallest, kind.get("factor", "each"))
        meat, mended = repaired(before)
        root = matrix_root(meat)
        if mended:
            _warn_mended(outside, before, meat, names)
    matrix = outside @ meat @ outside.T
    return ClusteredMeat(0.5 * (matrix + matrix.T), outside @ root, smallest, mended, degrees)


def degrees_of_freedom(kind: Mapping[str, Any]) -> str:
    """Whose degrees of freedom a clustered covariance in normal form has: "clusters", "satterthwaite" or "imbens-kolesar"."""
    one = isinstance(kind["cluster"], str) or len(kind["cluster"]) == 1
    usual = "satterthwaite" if one and kind.get("type", "HC1") == "HC2" else "clusters"
    return str(kind.get("df", usual))


def _several_ways(
    moments: Moments, codes: Sequence[np.ndarray], variant: str, smallest: int, factor: str
) -> np.ndarray:
    """Inclusion and exclusion over all intersections of the clusters, shape (r, r); it may be indefinite."""
    meat = np.zeros((moments.split[0].shape[1],) * 2)
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            together = intersect(chosen)
            units = _one_way(moments, together, variant)
            share = 1.0
            if factor == "min" and variant in ("HC0", "HC1"):
                own = _count(moments, together)
                share = (smallest / (smallest - 1.0)) / (own / (own - 1.0))
            meat += (-1.0) ** (size + 1) * share * (units.T @ units)
    return meat


def _warn_mended(outside: np.ndarray, before: np.ndarray, after: np.ndarray, names: Sequence[str]) -> None:
    """Say how much the repair of an indefinite matrix has changed standard errors, if it has."""
    old, new = (np.einsum("ij,jk,ik->i", outside, meat, outside) for meat in (before, after))
    negative = int(np.count_nonzero(old <= 0))
    growth = np.sqrt(np.where(old > 0, new / np.where(old > 0, old, 1.0), 1.0)).max() - 1.0
    if not negative and growth < 0.01:
        return
    grown = f"standard errors grow by up to {100 * growth:.0f} percent"
    grown += f", and {negative} that had a negative variance now have one" if negative else ""
    issue_warning(
        f"the covariance clustered by {' and '.join(names)} has negative eigenvalues, which are set to zero: {grown}. Few "
        "clusters, or a dummy for each of them, do this: absorb the effects, or cluster by one column.",
        StatinfWarning,
    )


def _count(moments: Moments, codes: np.ndarray) -> int:
    """Clusters that hold rows of the fit."""
    inside = len(codes) - (0 if moments.outside is None else len(moments.outside))
    return int(np.count_nonzero(np.bincount(codes[:inside])))


def _without_gaps(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, return_inverse=True)[1]


def _warn_few(count: int, moments: Moments, name: str, variant: str, better: str) -> None:
    if count < moments.q:
        issue_warning(
            f"{count} clusters for {moments.q} coefficients: the clustered covariance is singular and its standard "
            "errors are too small; test few coefficients at a time, or cluster by something finer.",
            StatinfWarning,
        )
    elif count < FEW_CLUSTERS and variant in ("HC0", "HC1"):
        advice = f"use type {better!r}, which corrects for few clusters."
        if better == "CR2":
            advice = f"use vcov={{'cluster': {name!r}, 'type': 'CR2'}}, with degrees of freedom of its own for each coefficient."
        if not moments.correctable:
            advice = "this estimator has no correction for it: read its intervals as too short, or cluster by something finer."
        issue_warning(
            f"the cluster column '{name}' has {count} values: with fewer than {FEW_CLUSTERS} clusters standard errors of "
            f"type {variant} are too small; {advice}",
            StatinfWarning,
        )


def intersect(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Codes from 0 of the cells that several groupings form together."""
    combined = codes[0]
    for code in codes[1:]:
        combined = np.unique(combined * (int(code.max()) + 1) + code, return_inverse=True)[1]
    return combined


def cluster_sums(scores: np.ndarray, codes: np.ndarray, multiplier: np.ndarray | None = None) -> np.ndarray:
    """Sums of rows, each times its multiplier, by group, shape (groups, q)."""
    groups = int(codes.max()) + 1
    each = np.empty(len(scores))

    def weights(column: np.ndarray) -> np.ndarray:
        return column if multiplier is None else np.multiply(column, multiplier, out=each)

    return np.stack([np.bincount(codes, weights=weights(column), minlength=groups) for column in scores.T], axis=1)


def _one_way(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    """Cluster sums of whitened scores, the small-sample factor included, shape (groups, r).

    Codes are those of the rows of the fit, followed by those of rows outside it.
    """
    inside, seen = moments.split[0], moments.observed
    if variant in ("HC2", "HC3"):
        need_degrees(moments.df_resid, variant)
        return _corrected_sums(moments, codes, variant)
    # Sums are whitened before they are multiplied with one another: only products of raw sums would lose digits twice.
    if moments.by_column and moments.columns is not None and seen is None and moments.outside is None:
        sums = cluster_sums(moments.columns, codes, moments.multiplier) @ inside
    else:
        total = moments.total if seen is None else moments.total[seen]
        if moments.outside is not None:
            total = np.concatenate([total, moments.outside])
        sums = cluster_sums(total, codes) @ inside
    return sums * np.sqrt(_factor(moments, _count(moments, codes), variant))


def _factor(moments: Moments, groups: int, variant: str) -> float:
    """G / (G - 1), and (n - 1) / (n - k) for the type HC1; none for the corrected types."""
    if variant in ("HC2", "HC3"):
        return 1.0
    own = small_sample(moments.nobs - 1.0, moments.df_resid) if variant == "HC1" else 1.0
    return groups / (groups - 1.0) * own


def _with_degrees(moments: Moments, codes: np.ndarray, variant: str, whose: str) -> tuple[np.ndarray, ClusterDegrees]:
    """Cluster sums of whitened scores, and the degrees of freedom of their covariance."""
    need_degrees(moments.df_resid, variant)
    rows, scores, variance = _orthonormal(moments, variant)
    sums, parts, order = corrected_clusters(rows, scores, codes, POWER[variant], variance)
    back = moments.hat_factor @ moments.split[0]
    carry = moments.split[1] @ back.T
    if whose == "satterthwaite":
        return sums @ back, ClusterDegrees(parts, carry)
    assert moments.working is not None
    seen = slice(None) if moments.observed is None else moments.observed
    if variance is not None or (moments.working[seen] != 1.0).any() or moments.residual is None:
        raise NotIdentifiedError(
            "degrees of freedom 'imbens-kolesar' are for linear regressions without weights or absorbed effects; use "
            "'satterthwaite'."
        )
    if len(sums) > MOST_CLUSTERS:
        raise NotIdentifiedError(
            f"degrees of freedom 'imbens-kolesar' are for at most {MOST_CLUSTERS} clusters, here {len(sums)}; use 'satterthwaite'."
        )
    ones = corrected_clusters(rows, rows, codes, POWER[variant])[0]
    own, shared = moulton(moments.residual[seen], codes)
    return sums @ back, RandomEffectDegrees(parts, carry, cluster_sums(rows, codes)[order], ones[order], own, shared)


def _corrected_sums(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    """Cluster sums of whitened scores after the correction of the type: (I - H_gg) to the power -1/2 (CR2) or -1 (CR3)."""
    rows, scores, variance = _orthonormal(moments, variant)
    sums = corrected_clusters(rows, scores, codes, POWER[variant], variance)[0]
    return sums @ moments.hat_factor @ moments.split[0]


def _orthonormal(moments: Moments, variant: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Orthonormal columns, their scores and the working variances of the rows of positive weight."""
    if not moments.correctable:
        raise NotIdentifiedError(
            f"clustered {variant} exists for regressions with known weights only; use type HC0 or HC1."
            if variant in ("HC2", "HC3")
            else "degrees of freedom from leverages exist for regressions with known weights only; leave 'df' out."
        )
    assert moments.columns is not None and moments.working is not None
    seen = slice(None) if moments.observed is None else moments.observed
    inverse = solve_triangular(moments.hat_factor, np.eye(len(moments.hat_factor)))
    columns, working, scores = moments.columns[seen], moments.working[seen], moments.scores[seen]
    rows = np.dot(inverse.T, columns.T).T * np.sqrt(working)[:, None]
    variance = None if moments.variance is None else moments.variance[seen]
    return rows, np.dot(inverse.T, scores.T).T, variance
