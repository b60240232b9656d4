"""One hierarchy of covariances for every estimator: model-based, heteroskedastic, clustered, stacked.

An estimator enters as `Moments`: the scores of its estimating function and its inverse bread. Estimated
weights enter as an adjustment of the scores, so that every covariance below is that of the stacked system.

The conventions are those of R's sandwich (Zeileis 2004; Zeileis, Koell and Graham 2020): HC1 has the
factor n / (n - k); clusters have G / (G - 1) and, for the type HC1, (n - 1) / (n - k); several cluster
variables enter by inclusion and exclusion, and a matrix that this leaves indefinite is repaired by its
eigenvalues (Cameron, Gelbach and Miller 2011); HC2 and HC3 with clusters are the corrections CR2 and CR3 of
Bell and McCaffrey (2002). Rows of weight zero are absent.

Sums of products are made of scores that the bread, or its triangular factor, has been applied to row by row:
products of raw scores would lose twice the digits that the columns' place has cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from statinf.backend import row_blocks
from statinf.brief import Brief
from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning, issue_warning
from statinf.inference.roots import matrix_root, repaired, root_of
from statinf.numerics.linear.least_squares import leverages, triangular_factor

FEW_CLUSTERS = 10
"""Below this number clustered standard errors of type HC1 are known to be too small."""

KINDS = ("iid", "HC0", "HC1", "HC2", "HC3", "fixed")


@dataclass(frozen=True, repr=False)
class Moments(Brief):
    """What inference needs of an estimator.

    Attributes
    ----------
    scores : ndarray, shape (n, q)
        Estimating function of each row at the estimate, row weight included; columns sum to zero.
    bread : ndarray, shape (q, q)
        Inverse of minus the Jacobian of the summed scores: the estimate's error is about
        `sum(scores) @ bread.T`.
    nobs : int
        Rows of positive weight.
    df_resid : float
        Degrees of freedom left; `nobs - q` for regressions.
    model : ndarray, shape (q, q), optional
        Covariance under the model's own assumptions ("iid").
    columns, working : ndarray, shape (n, q) and (n,), optional
        Regressors and (working) weights where scores are `columns * working * residual`; needed for
        the small-sample corrections HC2 and HC3.
    residual : ndarray, shape (n,), optional
        Score of each row in its linear predictor, before the row's weight.
    factor : ndarray, shape (q, q), optional
        Upper triangular, with inverse(factor' factor) = bread; keeps covariances and leverages accurate.
    adjustment : ndarray, shape (n, q), optional
        What estimated weights add to each row's score.
    outside : ndarray, shape (m, q), optional
        Scores of rows that are not in the fit but helped to estimate its weights.
    outside_rows : ndarray of int, shape (m,), optional
        Their row numbers in the same frame; absent for a second, independent sample.
    weight_leverage : ndarray, shape (n,), optional
        Share of each row in the equations that set its own estimated weight.
    weights_fixed : bool
        Whether weights were estimated but are treated as known, for want of theory; labels say so.
    present : ndarray of bool, shape (n,), optional
        Rows of positive weight; by default those with a score, if `nobs` says that some are absent.
    """

    scores: np.ndarray
    bread: np.ndarray
    nobs: int
    df_resid: float
    model: np.ndarray | None = None
    columns: np.ndarray | None = None
    working: np.ndarray | None = None
    residual: np.ndarray | None = None
    factor: np.ndarray | None = None
    adjustment: np.ndarray | None = None
    outside: np.ndarray | None = None
    outside_rows: np.ndarray | None = None
    weight_leverage: np.ndarray | None = None
    weights_fixed: bool = False
    present: np.ndarray | None = None

    @property
    def q(self) -> int:
        return self.scores.shape[1]

    @property
    def total(self) -> np.ndarray:
        """Scores with the adjustment for estimated weights, shape (n, q)."""
        return self.scores if self.adjustment is None else self.scores + self.adjustment

    @cached_property
    def observed(self) -> np.ndarray | None:
        """Rows of positive weight, shape (n,) bool; None for all of them."""
        if self.present is not None:
            return None if self.present.all() else self.present
        if self.nobs >= len(self.scores):
            return None
        return np.asarray(self.total.any(axis=1) if self.working is None else self.working > 0)

    @property
    def correctable(self) -> bool:
        """Whether clustered HC2 and HC3 exist: a regression whose weights were not estimated."""
        return self.columns is not None and self.working is not None and self.adjustment is None

    @cached_property
    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """The bread in two factors, (inside, outside) with bread.T = inside @ outside.T: R^-1 twice, or bread.T and 1."""
        if self.factor is None:
            return self.bread.T, np.eye(len(self.bread))
        inverse = solve_triangular(self.factor, np.eye(len(self.factor)))
        return inverse, inverse

    @cached_property
    def hat_factor(self) -> np.ndarray:
        """Triangular factor of the weighted regressors, shape (q, q)."""
        if self.columns is None or self.working is None:
            raise NotIdentifiedError("this estimator has no leverages, which HC2 and HC3 need; use HC0 or HC1.")
        return triangular_factor(self.columns, self.working) if self.factor is None else self.factor

    @cached_property
    def leverage(self) -> np.ndarray:
        """Diagonal of the weighted hat matrix, shape (n,)."""
        factor = self.hat_factor
        assert self.columns is not None
        return leverages(self.columns, factor, self.working)

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row on the estimate, shape (n, q): the estimate's error is about their sum."""
        inside, outside = self.split
        return self.total @ inside @ outside.T if self.factor is not None else self.total @ inside

    @property
    def outside_influence(self) -> np.ndarray | None:
        """Influence of the rows that only helped to estimate the weights, shape (m, q)."""
        if self.outside is None:
            return None
        inside, outside = self.split
        return self.outside @ inside @ outside.T


@dataclass(frozen=True)
class Covariance:
    """A covariance matrix with its name.

    Attributes
    ----------
    matrix : ndarray, shape (q, q)
    kind : str or mapping
        As asked for.
    label : str
        As tables print it.
    df : float
        Degrees of freedom of the reference t distribution; infinite for the normal.
    square_root : ndarray, shape (q, r), optional
        Its product with its own transpose is the matrix, with more digits of small differences than the
        matrix has.
    """

    matrix: np.ndarray
    kind: Any
    label: str
    df: float
    square_root: np.ndarray | None = field(default=None, repr=False)

    @property
    def root(self) -> np.ndarray:
        """L, shape (q, r), with L L' the matrix: x'L is the root of the variance of x'b."""
        return matrix_root(self.matrix) if self.square_root is None else self.square_root


def check_kind(kind: Any) -> Any:
    """Return a covariance's name in normal form, or raise an `OptionError` that lists what there is."""
    if isinstance(kind, str):
        for known in KINDS:
            if kind.lower() == known.lower():
                return known
        hint = " For clusters write vcov={'cluster': 'column'}." if "clus" in kind.lower() else ""
        raise OptionError(f"vcov={kind!r} is not known; choose one of {', '.join(map(repr, KINDS))}.{hint}")
    if isinstance(kind, Mapping):
        unknown = set(kind) - {"cluster", "type"}
        if unknown or "cluster" not in kind:
            raise OptionError(
                f"vcov={dict(kind)!r}: clusters are given as {{'cluster': 'column'}}, with an optional 'type'."
            )
        if kind.get("type", "HC1") not in ("HC0", "HC1", "HC2", "HC3"):
            raise OptionError(f"vcov type={kind['type']!r} is not known for clusters; choose HC0, HC1, HC2 or HC3.")
        return dict(kind)
    raise OptionError(
        f"vcov={kind!r} is not known; give one of {', '.join(map(repr, KINDS))} or {{'cluster': 'column'}}."
    )


def covariance(
    moments: Moments, kind: Any, clusters: Mapping[str, np.ndarray] | None = None, *, normal: bool = False
) -> Covariance:
    """The covariance of the estimate.

    Parameters
    ----------
    moments : Moments
    kind : str or mapping
        "iid", "HC0" to "HC3", "fixed" (HC0 with estimated weights taken as known), or
        `{"cluster": name or names, "type": "HC1"}`.
    clusters : mapping of str to ndarray of int, shape (n,), optional
        Codes of the cluster variables that `kind` names.
    normal : bool
        Whether tables use the normal distribution.

    Raises
    ------
    NotIdentifiedError
        If the estimator does not have this covariance.
    """
    kind = check_kind(kind)
    stacked = moments.adjustment is not None or moments.outside is not None
    suffix = ", weights estimated" if stacked else ", weights taken as fixed" if moments.weights_fixed else ""
    df = np.inf if normal else moments.df_resid
    if isinstance(kind, dict):
        matrix, root, count, mended = _clustered(moments, kind, clusters or {})
        names = kind["cluster"] if isinstance(kind["cluster"], str) else " and ".join(kind["cluster"])
        label = f"clustered by {names} ({kind.get('type', 'HC1')}){suffix}"
        label += ", made positive semi-definite" if mended else ""
        return Covariance(matrix, kind, label, np.inf if normal else float(count - 1), root)
    if kind == "iid":
        if moments.model is None:
            raise NotIdentifiedError(
                "this estimator has no model-based covariance; ask for a robust one, such as vcov='HC1'."
            )
        label = "iid" + (", weights taken as fixed" if suffix else "")
        return Covariance(moments.model, kind, label, df, _model_root(moments))
    if kind == "fixed":
        plain = replace(moments, adjustment=None, outside=None, outside_rows=None, weight_leverage=None)
        return Covariance(*_heteroskedastic(plain, "HC0", kind, "HC0, weights taken as fixed", df))
    return Covariance(*_heteroskedastic(moments, kind, kind, kind + suffix, df))


def _model_root(moments: Moments) -> np.ndarray | None:
    """Root of a model-based covariance that is a multiple of the bread."""
    if moments.factor is None or moments.model is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.diag(moments.model) / np.diag(moments.bread)
    if not np.allclose(ratio, ratio[:1], rtol=1e-10, atol=0.0):
        return None
    return moments.split[1] * np.sqrt(ratio[0])


def _heteroskedastic(moments: Moments, kind: str, *facts: Any) -> tuple[np.ndarray, Any, str, float, np.ndarray]:
    if moments.df_resid <= 0:
        raise NotIdentifiedError(f"there are no degrees of freedom left for {kind}; use fewer coefficients.")
    scores = moments.total
    if kind in ("HC2", "HC3"):
        factor = (1.0 - _leverage(moments, kind)) ** (-0.5 if kind == "HC2" else -1.0)
        if moments.weight_leverage is not None:
            # The weights shrink a row's score as its own fit does: both are corrected, by the larger leverage.
            scores = scores * factor[:, None]
        else:
            scores = moments.scores * factor[:, None]
            if moments.adjustment is not None:
                scores = scores + moments.adjustment
    inside, outside = moments.split
    units = [scores] if moments.outside is None else [scores, moments.outside]
    meat = np.sum([_cross_product(u, inside) for u in units], axis=0)
    scale = _small_sample(moments.nobs, moments.df_resid) if kind == "HC1" else 1.0
    root = root_of(meat * scale, lambda: np.concatenate([u @ inside for u in units]) * np.sqrt(scale))
    matrix = _symmetric(outside @ (meat * scale) @ outside.T)
    return matrix, facts[0], facts[1], facts[2], outside @ root


def _cross_product(scores: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Sum of products of the rows of scores @ inside, over blocks that stay in cache."""
    total = np.zeros((inside.shape[1], inside.shape[1]))
    for rows in row_blocks(*scores.shape):
        # Transposed, so that the small factor is on the left: columns are contiguous there and here.
        block = np.dot(inside.T, scores[rows].T)
        total += np.dot(block, block.T)
    return total


def _small_sample(nobs: float, df: float) -> float:
    if df <= 0:
        raise NotIdentifiedError("there are no degrees of freedom left for HC1; use fewer coefficients.")
    return nobs / df


def _leverage(moments: Moments, kind: str) -> np.ndarray:
    leverage = moments.leverage
    if moments.weight_leverage is not None:
        leverage = np.maximum(leverage, moments.weight_leverage)
    worst = int(np.argmax(leverage))
    if leverage[worst] > 1.0 - 1e-10:
        raise NotIdentifiedError(
            f"row {worst} of the rows used has leverage 1: it alone determines a coefficient, and {kind} does not exist. "
            "Leave that row out or merge its level with another; HC0 and HC1 exist, but take its error for zero."
        )
    return leverage


def _clustered(
    moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int, bool]:
    names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
    variant = kind.get("type", "HC1")
    seen = moments.observed
    codes = [clusters[name] if seen is None else _without_gaps(clusters[name][seen]) for name in names]
    for name, code in zip(names, codes, strict=True):
        if int(code.max()) + 1 < 2:
            raise DataError(f"the cluster column '{name}' has one value; clustered standard errors need at least two.")
    counts = [int(code.max()) + 1 for code in codes]
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
    return _symmetric(outside @ meat @ outside.T), outside @ root, smallest, mended


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
    """Cluster sums of whitened scores, the small-sample factor included, shape (groups, r)."""
    inside, seen = moments.split[0], moments.observed
    if variant in ("HC2", "HC3"):
        return _corrected_sums(moments, codes, variant) @ inside
    total = moments.total if seen is None else moments.total[seen]
    sums = cluster_sums(np.dot(inside.T, total.T).T, codes)
    groups = len(sums)
    if moments.outside is not None:
        sums = np.concatenate([sums, moments.outside @ inside])
    factor = groups / (groups - 1.0)
    if variant == "HC1":
        factor *= _small_sample(moments.nobs - 1.0, moments.df_resid)
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


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)
