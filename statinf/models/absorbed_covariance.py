"""Covariances of regressions with absorbed effects: which of the effects count, and leverages with them.

As fixest (Berge 2018) counts: iid, HC1 and clusters take k columns plus the effects as coefficients, where an effect that is
nested within the clusters does not count beyond its constant, because its rows share a cluster with it; several cluster
columns take the factor G / (G - 1) of the fewest. The effects that the rows identify are counted exactly for two factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.inference.clusters import cluster_sums, intersect, joined_codes
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.roots import matrix_root, repaired
from statinf.inference.sandwich import LEVERED
from statinf.numerics.absorb.factors import Factors
from statinf.results.clusters import clusters_of

if TYPE_CHECKING:
    from statinf.formula.design import Design
    from statinf.models.absorbing import Absorption

_ADVICE = "write the factor of few levels as C() in the formula, or use HC1"


def cluster_names(kind: Any) -> tuple[str, ...]:
    """Columns that a covariance in normal form clusters by."""
    if not isinstance(kind, Mapping) or "cluster" not in kind:
        return ()
    given = kind["cluster"]
    return (given,) if isinstance(given, str) else tuple(given)


def nested_effects(design: Design, absorption: Absorption, names: Sequence[str]) -> tuple[bool, ...]:
    """Whether the levels of each factor lie within the clusters of one of the columns."""
    out = np.zeros(len(absorption.terms), dtype=bool)
    for name in names:
        out |= absorption.factors.nested(design.cluster_codes(name))
    return tuple(out.tolist())


def degrees(df: float, absorption: Absorption, nested: Sequence[bool]) -> float:
    """Residual degrees of freedom if nested effects do not count, those that several of their factors share once."""
    factors = absorption.factors
    inside = [code for code, within in zip(factors.codes, nested, strict=True) if within]
    if not inside:
        return df
    counted = factors if len(inside) == len(nested) else Factors.of(inside)
    return df + counted.rank[0] - 1.0


def check_exists(kind: Any, design: Design, absorption: Absorption) -> None:
    """Refuse corrections by leverage where the effects' share in them is not known.

    Raises
    ------
    NotIdentifiedError
        For HC2 to HC5 with several factors, and for their clustered forms unless all effects lie within the clusters.
    """
    names = cluster_names(kind)
    corrected = kind in LEVERED if not isinstance(kind, Mapping) else _by_leverage(kind)
    listed = " and ".join(term.name for term in absorption.terms)
    if corrected and not names and len(absorption.terms) > 1:
        raise NotIdentifiedError(
            f"{kind} needs leverages, which the effects of {listed} together have no closed form of: {_ADVICE}."
        )
    if corrected and names and (len(names) > 1 or not all(nested_effects(design, absorption, names))):
        raise NotIdentifiedError(
            f"clustered {kind.get('type', 'HC1')} with absorbed effects needs all their levels within the clusters of one "
            f"column, and those of {listed} are not: {_ADVICE}."
        )


def _by_leverage(kind: Mapping[str, Any]) -> bool:
    return "cluster" in kind and (kind.get("type", "HC1") in ("HC2", "HC3") or kind.get("df") == "satterthwaite")


def needs_equal_variances(kind: Any) -> bool:
    """Whether a covariance has a working model that projected columns stand for only where it is the same in a cluster.

    CR2 from columns less the effects is that from columns and dummies if the variances of a cluster's rows are equal
    (Pustejovsky and Tipton 2018, theorem 2).
    """
    return isinstance(kind, Mapping) and _by_leverage(kind) and kind.get("type", "HC1") != "HC3"


def check_equal(variance: np.ndarray | None, kind: Mapping[str, Any], design: Design) -> None:
    """Refuse variances (n,) of the working model that differ within a cluster.

    Raises
    ------
    NotIdentifiedError
    """
    if variance is None:
        return
    codes = design.cluster_codes(cluster_names(kind)[0])
    first = np.zeros(int(codes.max()) + 1)
    first[codes] = variance
    if not np.allclose(variance, first[codes], rtol=1e-10, atol=0.0):
        raise NotIdentifiedError(
            "clustered HC2, or CR2, with absorbed effects needs equal weights (and an outcome of one variance) within each "
            "cluster: write the factors as C() in the formula, or use type HC1 or HC3."
        )


def adjusted(
    found: Covariance, kind: Any, design: Design, absorption: Absorption, df: float, moments: Moments | None
) -> Covariance:
    """A covariance with the effects counted as its clusters ask; `moments` where several columns are clustered by."""
    names = cluster_names(kind)
    if not names or kind.get("type", "HC1") not in ("HC0", "HC1"):
        return found
    ratio = 1.0
    if kind.get("type", "HC1") == "HC1":
        ratio = df / degrees(df, absorption, nested_effects(design, absorption, names))
    if len(names) > 1 and moments is not None:
        return _several_ways(found, kind, design, names, moments, ratio)
    root = None if found.square_root is None else found.square_root * np.sqrt(ratio)
    return replace(found, matrix=found.matrix * ratio, square_root=root)


def _several_ways(
    found: Covariance, kind: Any, design: Design, names: tuple[str, ...], moments: Moments, ratio: float
) -> Covariance:
    """Inclusion and exclusion with one factor G / (G - 1), that of the fewest clusters."""
    clusters = clusters_of(design, names)
    codes = [joined_codes(moments, clusters, name) for name in names]
    units = moments.influence if moments.observed is None else moments.influence[moments.observed]
    outside = moments.outside_influence
    units = units if outside is None else np.concatenate([units, outside])
    matrix = np.zeros((units.shape[1],) * 2)
    for size in range(1, len(codes) + 1):
        for chosen in combinations(codes, size):
            sums = cluster_sums(units, intersect(chosen))
            matrix += (-1.0) ** (size + 1) * (sums.T @ sums)
    fewest = found.df + 1.0 if np.isfinite(found.df) else min(float(len(np.unique(c))) for c in codes)
    factor = fewest / (fewest - 1.0)
    if kind.get("type", "HC1") == "HC1":
        factor *= (moments.nobs - 1.0) / moments.df_resid * ratio
    matrix, _ = repaired(0.5 * (matrix + matrix.T) * factor)
    return replace(found, matrix=matrix, square_root=matrix_root(matrix))


def group_leverages(absorption: Absorption, working: np.ndarray) -> np.ndarray | None:
    """Share of each row in its own level's mean, shape (n,), for one factor; None for several."""
    if len(absorption.terms) > 1:
        return None
    code, size = absorption.factors.codes[0], absorption.factors.sizes[0]
    total = np.bincount(code, weights=working, minlength=size)
    return working / np.where(total > 0, total, 1.0)[code]
