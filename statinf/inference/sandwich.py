"""One hierarchy of covariances for every estimator: model-based, heteroskedastic, clustered, stacked.

An estimator enters as `Moments`: the scores of its estimating function and its inverse bread. Estimated
weights enter as an adjustment of the scores, so that every covariance below is that of the stacked system.

The conventions are those of R's sandwich (Zeileis 2004; Zeileis, Koell and Graham 2020): HC1 has the
factor n / (n - k); clusters have G / (G - 1) and, for the type HC1, (n - 1) / (n - k); several cluster
variables enter by inclusion and exclusion; HC2 and HC3 with clusters are the corrections CR2 and CR3 of
Bell and McCaffrey (2002).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning
from statinf.numerics.linear.least_squares import leverages

KINDS = ("iid", "HC0", "HC1", "HC2", "HC3", "fixed")


@dataclass(frozen=True)
class Moments:
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
    factor : ndarray, shape (q, q), optional
        Upper triangular, with factor' factor = columns' W columns; keeps leverages accurate.
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
    """

    scores: np.ndarray
    bread: np.ndarray
    nobs: int
    df_resid: float
    model: np.ndarray | None = None
    columns: np.ndarray | None = None
    working: np.ndarray | None = None
    factor: np.ndarray | None = None
    adjustment: np.ndarray | None = None
    outside: np.ndarray | None = None
    outside_rows: np.ndarray | None = None
    weight_leverage: np.ndarray | None = None
    weights_fixed: bool = False

    @property
    def q(self) -> int:
        return self.scores.shape[1]

    @property
    def total(self) -> np.ndarray:
        """Scores with the adjustment for estimated weights, shape (n, q)."""
        return self.scores if self.adjustment is None else self.scores + self.adjustment

    @cached_property
    def leverage(self) -> np.ndarray:
        """Diagonal of the weighted hat matrix, shape (n,)."""
        if self.columns is None or self.working is None:
            raise NotIdentifiedError("this estimator has no leverages, which HC2 and HC3 need; use HC0 or HC1.")
        factor = np.linalg.cholesky(np.linalg.inv(self.bread)).T if self.factor is None else self.factor
        return leverages(self.columns, factor, self.working)

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row on the estimate, shape (n, q): the estimate's error is about their sum."""
        return self.total @ self.bread.T


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
    """

    matrix: np.ndarray
    kind: Any
    label: str
    df: float


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
        matrix, count = _clustered(moments, kind, clusters or {})
        names = kind["cluster"] if isinstance(kind["cluster"], str) else " and ".join(kind["cluster"])
        label = f"clustered by {names} ({kind.get('type', 'HC1')}){suffix}"
        return Covariance(matrix, kind, label, np.inf if normal else float(count - 1))
    if kind == "iid":
        if moments.model is None:
            raise NotIdentifiedError(
                "this estimator has no model-based covariance; ask for a robust one, such as vcov='HC1'."
            )
        return Covariance(moments.model, kind, "iid" + (", weights taken as fixed" if suffix else ""), df)
    if kind == "fixed":
        plain = replace(moments, adjustment=None, outside=None, outside_rows=None, weight_leverage=None)
        return Covariance(_heteroskedastic(plain, "HC0"), kind, "HC0, weights taken as fixed", df)
    return Covariance(_heteroskedastic(moments, kind), kind, kind + suffix, df)


def _heteroskedastic(moments: Moments, kind: str) -> np.ndarray:
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
    meat = scores.T @ scores
    if moments.outside is not None:
        meat = meat + moments.outside.T @ moments.outside
    if kind == "HC1":
        meat = meat * _small_sample(moments.nobs, moments.df_resid)
    return _symmetric(moments.bread @ meat @ moments.bread.T)


def _small_sample(nobs: float, df: float) -> float:
    if df <= 0:
        raise NotIdentifiedError("there are no degrees of freedom left for HC1; use HC0, or fewer coefficients.")
    return nobs / df


def _leverage(moments: Moments, kind: str) -> np.ndarray:
    leverage = moments.leverage
    if moments.weight_leverage is not None:
        leverage = np.maximum(leverage, moments.weight_leverage)
    worst = int(np.argmax(leverage))
    if leverage[worst] > 1.0 - 1e-10:
        raise NotIdentifiedError(
            f"row {worst} of the rows used has leverage 1: it is fitted exactly and {kind} does not exist; use HC0 or HC1."
        )
    return leverage


def _clustered(moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray]) -> tuple[np.ndarray, int]:
    names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
    variant = kind.get("type", "HC1")
    codes = [clusters[name] for name in names]
    for name, code in zip(names, codes, strict=True):
        if int(code.max()) + 1 < 2:
            raise DataError(f"the cluster column '{name}' has one value; clustered standard errors need at least two.")
    total = np.zeros((moments.q, moments.q))
    smallest = min(int(code.max()) + 1 for code in codes)
    if smallest < moments.q:
        warnings.warn(
            f"{smallest} clusters for {moments.q} coefficients: the clustered covariance is singular and its standard "
            "errors are too small; test few coefficients at a time, or cluster by something finer.",
            StatinfWarning,
            stacklevel=2,
        )
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            total += (-1.0) ** (size + 1) * _one_way(moments, intersect(chosen), variant)
    return _symmetric(moments.bread @ total @ moments.bread.T), smallest


def intersect(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Codes from 0 of the cells that several groupings form together."""
    combined = codes[0]
    for code in codes[1:]:
        combined = np.unique(combined * (int(code.max()) + 1) + code, return_inverse=True)[1]
    return combined


def cluster_sums(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sums of rows by group, shape (groups, q)."""
    groups = int(codes.max()) + 1
    return np.stack(
        [np.bincount(codes, weights=scores[:, j], minlength=groups) for j in range(scores.shape[1])], axis=1
    )


def _one_way(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    groups = int(codes.max()) + 1
    if variant in ("HC2", "HC3"):
        sums = _corrected_sums(moments, codes, variant)
        return sums.T @ sums
    sums = cluster_sums(moments.total, codes)
    meat = sums.T @ sums
    if moments.outside is not None:
        meat = meat + moments.outside.T @ moments.outside
    factor = groups / (groups - 1.0)
    if variant == "HC1":
        factor *= _small_sample(moments.nobs - 1.0, moments.df_resid)
    return factor * meat


def _corrected_sums(moments: Moments, codes: np.ndarray, variant: str) -> np.ndarray:
    """Cluster sums of scores with (I - H_gg) to the power -1/2 (CR2) or -1 (CR3) before the residuals."""
    if moments.columns is None or moments.working is None or moments.adjustment is not None:
        raise NotIdentifiedError(
            f"clustered {variant} exists for regressions with known weights only; use type HC0 or HC1."
        )
    power = -0.5 if variant == "HC2" else -1.0
    root_w = np.sqrt(moments.working)
    half = np.linalg.cholesky(_symmetric(moments.bread))
    scaled = (moments.columns * root_w[:, None]) @ half
    with np.errstate(divide="ignore", invalid="ignore"):
        # scores = columns * working * residual: recover sqrt(w) e from the best-conditioned column.
        pivot = np.argmax(np.abs(moments.columns), axis=1)
        rows = np.arange(len(codes))
        root_residual = moments.scores[rows, pivot] / (moments.columns[rows, pivot] * root_w)
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
        inside = u.T @ e
        corrected = e + u @ ((gain - 1.0) * inside)
        sums[g] = (moments.columns[member] * root_w[member, None]).T @ corrected
    return sums


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)
