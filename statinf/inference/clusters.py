"""Sums of scores by cluster: one-way, several ways, and the corrections for few or uneven clusters.

G / (G - 1) and, for the type HC1, (n - 1) / (n - k); several cluster variables enter by inclusion and exclusion, and a
matrix that this leaves indefinite is repaired by its eigenvalues (Cameron, Gelbach and Miller 2011); HC2 and HC3 are the
corrections CR2 and CR3 of Bell and McCaffrey (2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from statinf.errors import DataError, NotIdentifiedError, StatinfWarning, issue_warning
from statinf.inference.moments import Moments, small_sample
from statinf.inference.roots import matrix_root, repaired, root_of

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
    """

    codes: Mapping[str, np.ndarray]
    elsewhere: Callable[[str, np.ndarray], np.ndarray]

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


def clustered(
    moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """Covariance (q, q), a root of it (q, r), the smallest number of clusters, and whether eigenvalues were repaired.

    Parameters
    ----------
    moments : Moments
    kind : mapping
        `{"cluster": name or names, "type": "HC1"}`.
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
    _warn_few(smallest, moments, names[counts.index(smallest)], variant)
    meat = np.zeros((moments.split[0].shape[1],) * 2)
    units = np.empty((0, len(meat)))
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            units = _one_way(moments, intersect(chosen), variant)
            meat += (-1.0) ** (size + 1) * (units.T @ units)
    mended = False
    if len(codes) == 1:
        root = root_of(meat, lambda: units)
    else:
        meat, mended = repaired(meat)
        root = matrix_root(meat)
    outside = moments.split[1]
    matrix = outside @ meat @ outside.T
    return 0.5 * (matrix + matrix.T), outside @ root, smallest, mended


def _count(moments: Moments, codes: np.ndarray) -> int:
    """Clusters that hold rows of the fit."""
    inside = len(codes) - (0 if moments.outside is None else len(moments.outside))
    return int(np.count_nonzero(np.bincount(codes[:inside])))


def _without_gaps(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, return_inverse=True)[1]


def _warn_few(count: int, moments: Moments, name: str, variant: str) -> None:
    if count < moments.q:
        issue_warning(
            f"{count} clusters for {moments.q} coefficients: the clustered covariance is singular and its standard "
            "errors are too small; test few coefficients at a time, or cluster by something finer.",
            StatinfWarning,
        )
    elif count < FEW_CLUSTERS and variant in ("HC0", "HC1"):
        advice = f"use vcov={{'cluster': {name!r}, 'type': 'HC3'}}, which leaves each cluster out in turn."
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


def cluster_sums(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sums of rows by group, shape (groups, q)."""
    groups = int(codes.max()) + 1
    return np.stack([np.bincount(codes, weights=column, minlength=groups) for column in scores.T], axis=1)


def _one_way(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    """Cluster sums of whitened scores, the small-sample factor included, shape (groups, r).

    Codes are those of the rows of the fit, followed by those of rows outside it.
    """
    inside, seen = moments.split[0], moments.observed
    if variant in ("HC2", "HC3"):
        return _corrected_sums(moments, codes, variant) @ inside
    total = moments.total if seen is None else moments.total[seen]
    units = np.dot(inside.T, total.T).T
    if moments.outside is not None:
        units = np.concatenate([units, moments.outside @ inside])
    sums = cluster_sums(units, codes)
    groups = _count(moments, codes)
    factor = groups / (groups - 1.0)
    if variant == "HC1":
        factor *= small_sample(moments.nobs - 1.0, moments.df_resid)
    return sums * np.sqrt(factor)


def _corrected_sums(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    """Cluster sums of scores with (I - H_gg) to the power -1/2 (CR2) or -1 (CR3) before the residuals."""
    if not moments.correctable:
        raise NotIdentifiedError(
            f"clustered {variant} exists for regressions with known weights only; use type HC0 or HC1."
        )
    assert moments.columns is not None and moments.working is not None
    power = -0.5 if variant == "HC2" else -1.0
    seen = slice(None) if moments.observed is None else moments.observed
    columns, scores = moments.columns[seen], moments.scores[seen]
    root_w = np.sqrt(moments.working[seen])
    factor = moments.hat_factor
    scaled = (columns * root_w[:, None]) @ solve_triangular(factor, np.eye(len(factor)))
    # scores = columns * working * residual: recover sqrt(w) e from the best-conditioned column.
    rows = np.arange(len(codes))
    pivot = np.argmax(np.abs(columns), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        root_residual = scores[rows, pivot] / (columns[rows, pivot] * root_w)
    root_residual = np.where(root_w > 0, root_residual, 0.0)
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))
    sums = np.empty((len(cuts) - 1, moments.q))
    for g in range(len(cuts) - 1):
        member = order[cuts[g] : cuts[g + 1]]
        u, s, _ = np.linalg.svd(scaled[member], full_matrices=False)
        share = 1.0 - s**2
        # A direction that the cluster alone determines carries no residual: the pseudo-inverse drops it.
        gain = np.where(share > 1e-10, np.maximum(share, 1e-300) ** power, 0.0)
        e = root_residual[member]
        corrected = e + u @ ((gain - 1.0) * (u.T @ e))
        sums[g] = scaled[member].T @ corrected
    return sums @ factor
