"""One hierarchy of covariances for every estimator: model-based, heteroskedastic, clustered, stacked.

An estimator enters as `Moments`: the scores of its estimating function and its inverse bread. Estimated
weights enter as an adjustment of the scores, so that every covariance below is that of the stacked system.

The conventions are those of R's sandwich (Zeileis 2004; Zeileis, Koell and Graham 2020): HC1 has the factor n / (n - k); HC4,
HC4m and HC5 raise the correction of HC2 with the leverage (Cribari-Neto 2004; Cribari-Neto and da Silva 2011; Cribari-Neto,
Souza and Vasconcellos 2007); clusters have G / (G - 1) and, for the type HC1, (n - 1) / (n - k); several cluster variables enter
by inclusion and exclusion, and a matrix that this leaves indefinite is repaired by its eigenvalues (Cameron, Gelbach and Miller
2011); HC2 and HC3 with clusters are the corrections CR2 and CR3 of Bell and McCaffrey (2002). Rows of weight zero are absent.

Sums of products are made of scores that the bread, or its triangular factor, has been applied to row by row:
products of raw scores would lose twice the digits that the columns' place has cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.backend.threads import one_blas_thread
from statinf.errors import NotIdentifiedError, NumericalWarning, OptionError, issue_warning
from statinf.inference.clusters import clustered, degrees_of_freedom
from statinf.inference.covariance import Covariance
from statinf.inference.dependence import under_dependence
from statinf.inference.dependent import is_dependent
from statinf.inference.levered import correction
from statinf.inference.moments import Moments, need_degrees, small_sample
from statinf.inference.roots import root_of
from statinf.inference.vcov import SANDWICH

_FEW = 64
_PARALLEL_FROM = 1 << 21
KINDS = SANDWICH
_OWN_WEIGHT = 0.9
"""Share of a row in the equations of its own weight from which corrections by leverage are no use."""
LEVERED = ("HC2", "HC3", "HC4", "HC4m", "HC5")


def check_kind(kind: Any) -> Any:
    """Return a covariance's name in normal form, or raise an `OptionError` that lists what there is."""
    if isinstance(kind, str):
        for known in KINDS:
            if kind.lower() == known.lower():
                return known
        hint = " For clusters write vcov={'cluster': 'column'}." if "clus" in kind.lower() else ""
        raise OptionError(f"vcov={kind!r} is not known; choose one of {', '.join(map(repr, KINDS))}.{hint}")
    if isinstance(kind, Mapping):
        if is_dependent(kind):
            return dict(kind)
        unknown = set(kind) - {"cluster", "type", "df", "factor"}
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


def uncorrected(kind: Any) -> Any:
    """The covariance without corrections by whole clusters' leverages, for scores that have no columns: clusters of type HC1."""
    if isinstance(kind, Mapping) and (kind.get("type") in ("HC2", "HC3") or "df" in kind):
        kept = {key: value for key, value in kind.items() if key not in ("type", "df")}
        return {**kept, "type": "HC1"}
    return kind


def covariance(
    moments: Moments, kind: Any, clusters: Mapping[str, np.ndarray] | None = None, *, normal: bool = False
) -> Covariance:
    """The covariance of the estimate.

    Parameters
    ----------
    moments : Moments
    kind : str or mapping
        "iid", "HC0" to "HC5", "fixed" (HC0 with estimated weights taken as known),
        `{"cluster": name or names, "type": "HC1"}`, or one under dependence in normal form.
    clusters : mapping of str to ndarray, shape (n,), optional
        Codes of the cluster variables that `kind` names, and what else it reads.
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
    if is_dependent(kind):
        found = under_dependence(moments, kind, {} if clusters is None else clusters, normal=normal)
        return replace(found, label=found.label + suffix)
    if isinstance(kind, dict):
        return _clustered(moments, kind, clusters or {}, suffix, normal=normal)
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


def _clustered(
    moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray], suffix: str, *, normal: bool
) -> Covariance:
    found = clustered(moments, kind, clusters)
    names = kind["cluster"] if isinstance(kind["cluster"], str) else " and ".join(kind["cluster"])
    variant = kind.get("type", "HC1")
    if found.degrees is not None:
        whose = "Satterthwaite" if degrees_of_freedom(kind) == "satterthwaite" else "Imbens-Kolesar"
        label = f"clustered by {names} ({variant.replace('HC', 'CR')}, {whose} df){suffix}"
        own = Covariance.with_degrees(found.matrix, kind, label, found.root, found.degrees)
        return replace(own, clusters=found.count)
    label = f"clustered by {names} ({variant}{', factor of the fewest clusters' if kind.get('factor') == 'min' else ''}){suffix}"
    label += ", made positive semi-definite" if found.mended else ""
    df = np.inf if normal else float(found.count - 1)
    return Covariance(found.matrix, kind, label, df, found.root, clusters=found.count)


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
    need_degrees(moments.df_resid, kind)
    whole, moments = moments, moments.by_copy()
    scores, multiplier = (moments.columns, moments.multiplier) if moments.by_column else (moments.total, None)
    assert scores is not None
    if kind in LEVERED:
        factor = correction(_leverage(moments, kind), whole.leverage, kind, moments.nobs)
        factor = factor if factor.ndim == 2 else factor[:, None]
        if multiplier is not None and factor.shape[1] == 1:
            multiplier = multiplier * factor[:, 0]
        elif moments.weight_leverage is not None:
            # The weights shrink a row's score as its own fit does: both are corrected, by the larger leverage.
            scores = scores * factor
        else:
            scores, multiplier = moments.scores * factor, None
            if moments.adjustment is not None:
                scores = scores + moments.adjustment
    inside, outside = moments.split
    meat = _cross_product(scores, inside, multiplier)
    if moments.outside is not None:
        meat = meat + _cross_product(moments.outside, inside)
    scale = small_sample(moments.nobs, moments.df_resid) if kind == "HC1" else 1.0

    def halves() -> np.ndarray:
        own = scores if multiplier is None else scores * multiplier[:, None]
        units = [own] if moments.outside is None else [own, moments.outside]
        return np.concatenate([u @ inside for u in units]) * np.sqrt(scale)

    root = root_of(meat * scale, halves)
    matrix = _symmetric(outside @ (meat * scale) @ outside.T)
    return matrix, facts[0], facts[1], facts[2], outside @ root


def _cross_product(scores: np.ndarray, inside: np.ndarray, multiplier: np.ndarray | None = None) -> np.ndarray:
    """Sum of products of the rows of scores @ inside, each times its multiplier, over blocks that stay in cache."""

    def product(rows: slice) -> np.ndarray:
        # Transposed, so that the small factor is on the left: columns are contiguous there and here.
        # By `@`, since np.dot would copy the rows first, which takes several times as long as the product.
        block = inside.T @ scores[rows].T
        if multiplier is not None:
            block *= multiplier[rows]
        return np.dot(block, block.T)

    blocks = row_blocks(*scores.shape)
    few = scores.shape[1] <= _FEW
    # Products of few columns gain more from blocks side by side than from BLAS threads that wait for each other.
    with one_blas_thread(len(blocks) > 1 and few):
        return np.sum(map_threads(product, blocks, parallel=few and scores.size > _PARALLEL_FROM), axis=0)


def _leverage(moments: Moments, kind: str) -> np.ndarray:
    leverage = moments.leverage
    if moments.weight_leverage is not None:
        own = moments.weight_leverage
        _warn_own_weights(own, kind)
        leverage = np.maximum(leverage, own if leverage.ndim == 1 else own[:, None])
    by_row = leverage if leverage.ndim == 1 else leverage.max(axis=1)
    worst = int(np.argmax(by_row))
    if by_row[worst] > 1.0 - 1e-10:
        raise NotIdentifiedError(
            f"row {worst} of the rows used has leverage 1: it alone determines a coefficient, and {kind} does not exist. "
            "Leave that row out or merge its level with another; HC0 and HC1 exist, but take its error for zero."
        )
    return leverage


def _warn_own_weights(shares: np.ndarray, kind: str) -> None:
    """Warn where rows all but set their own weights: one over one less their share is then no correction any more."""
    many = int(np.count_nonzero(shares > _OWN_WEIGHT))
    if many:
        rows = f"{many} rows set" if many > 1 else "one row sets"
        issue_warning(
            f"{kind}: {rows} more than {100 * _OWN_WEIGHT:.0f}% of {'their' if many > 1 else 'its'} own weight (up to "
            f"{100 * shares.max():.4g}%), which makes these standard errors far too large. Use HC0, or balance fewer terms.",
            NumericalWarning,
        )


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)
