"""How far simulations reach: from how many rows and clusters, and down to which overlap, intervals of a kind held.

A design is one set of simulated data at several sizes. Its intervals hold from the least size on from which no larger one was found
too low. What a kind of interval reaches is the least over the designs: a fit below it is where none of them held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from statinf.results.certified import CertifiedLine, certified, described

_BY_UNITS = ("CtdFit", "DidFit", "DistributionJump", "VisitsFit")
"""Results whose rows are not what counts: they are several a unit."""
Kind = tuple[str, str, str]
"""Class of a result, its method, its kind of interval."""


@dataclass(frozen=True)
class CertifiedReach:
    """From where on intervals of a kind held in some design.

    Attributes
    ----------
    rows, clusters : int or None
        None where intervals held at no size; clusters are 0 where there are none.
    share : float
        Least effective share of the rows at which they held, 0 where weights play no part.
    most : int
        The most rows, or clusters, that were simulated.
    """

    rows: int | None
    clusters: int | None
    share: float
    most: int


@cache
def reaches() -> Mapping[Kind, CertifiedReach]:
    """The reach of every kind of interval that was simulated."""
    found: dict[Kind, list[CertifiedLine]] = {}
    for line in certified():
        found.setdefault((line.result, line.method, line.kind), []).append(line)
    return {kind: reach_of(lines) for kind, lines in found.items()}


def reach_of(lines: Iterable[CertifiedLine]) -> CertifiedReach:
    """The reach of the lines of one kind of interval."""
    designs: dict[tuple[str, str], list[CertifiedLine]] = {}
    for line in lines:
        designs.setdefault((line.design, line.quantity), []).append(line)
    held = [good for own in designs.values() if (good := _holding(own))]
    every = [line for own in designs.values() for line in own]
    clustered = any(line.clusters for line in every)
    return CertifiedReach(
        min((good[0].n for good in held), default=None),
        min((good[0].clusters for good in held), default=None) if clustered else 0,
        min((line.share for good in held for line in good), default=0.0) if all(x.share for x in every) else 0.0,
        max((line.clusters if clustered else line.n for line in every), default=0),
    )


def _holding(own: Sequence[CertifiedLine]) -> list[CertifiedLine]:
    """Lines of a design from the least size on at and above which none is too low, the least first."""
    out: list[CertifiedLine] = []
    for line in sorted(own, key=lambda entry: -entry.n):
        if line.verdict == "too low":
            break
        out.insert(0, line)
    return out


def short_of(fit: Any) -> str:
    """How a fit falls short of what held in simulations, as a clause; empty where it does not, or none looked at its kind."""
    kind = described(fit)
    reach = reaches().get(kind)
    if reach is None:
        return ""
    if reach.clusters != 0:
        return _few_clusters(fit, kind, reach)
    return "" if kind[0] in _BY_UNITS else _few_rows(fit, kind, reach) or _weak(fit, reach)


def footer(fit: Any) -> tuple[str, ...]:
    """The line below a summary of a fit that is outside of the certified reach; empty where it is not."""
    said = short_of(fit)
    return (f"Certificate: {said}; si.certificate(fit) has the simulations.",) if said else ()


def _few_rows(fit: Any, kind: Kind, reach: CertifiedReach) -> str:
    if fit.nobs >= (reach.most + 1 if reach.rows is None else reach.rows):
        return ""
    if reach.rows is None:
        return f"such intervals fell short in simulations of up to {reach.most} rows"
    return f"{fit.nobs} rows are fewer than the {reach.rows} from which such intervals held in simulations"


def _few_clusters(fit: Any, kind: Kind, reach: CertifiedReach) -> str:
    enough = reach.most + 1 if reach.clusters is None else reach.clusters
    if fit.cov.df != np.inf and fit.cov.df + 1 >= enough:
        return ""
    clustered = "clusters" in kind[2]
    count, noun = (clusters_of(fit), "clusters") if clustered else (units_of(fit), "units")
    if not 0 < count < enough:
        return ""
    if reach.clusters is None:
        return f"such intervals fell short in simulations of up to {reach.most} {noun}{_instead(kind)}"
    return f"{count} {noun} are fewer than the {reach.clusters} from which such intervals held in simulations{_instead(kind)}"


@cache
def _instead(kind: Kind) -> str:
    """Another type of clustered errors that held with the fewest clusters, as a clause."""
    others = {
        other: reach.clusters
        for (result, method, other), reach in reaches().items()
        if (result, method) == kind[:2] and other.startswith("clusters, ") and reach.clusters and other != kind[2]
    }
    own = reaches()[kind].clusters
    best = min(others, key=lambda name: others[name], default="")
    if not kind[2].startswith("clusters") or not best or (own is not None and own <= others[best]):
        return ""
    return f" (type {best.split(', ')[1].replace('HC', 'CR')}: {others[best]})"


def _weak(fit: Any, reach: CertifiedReach) -> str:
    share = effective_share(fit)
    if not 0.0 < share < reach.share:
        return ""
    return (
        f"the weights leave {100 * share:.0f}% of the rows effective, less than the {100 * reach.share:.0f}% down to which such "
        "intervals held in simulations"
    )


def effective_share(fit: Any) -> float:
    """Effective rows as a share of the rows of a fit whose weights carry it to another law; else 0."""
    own = getattr(fit, "ess", None)
    if isinstance(own, float) and fit.nobs and np.isfinite(own):
        return own / fit.nobs
    weights = getattr(fit, "ratio", None)
    weights = getattr(fit, "weights", None) if weights is None else weights
    ess = getattr(weights, "ess", None)
    return float(ess) / fit.nobs if ess is not None and fit.nobs else 0.0


def units_of(fit: Any) -> int:
    """Units of a fit whose rows are several a unit; 0 where they are not known."""
    if type(fit).__name__ == "DistributionJump":
        return sum(fit.units)
    return int(fit.df_resid) + 1 if type(fit).__name__ in ("DidFit", "DidPath") else 0


def clusters_of(fit: Any) -> int:
    """The least number of clusters behind a fit's covariance; 0 where there are none or they are not known."""
    asked = getattr(getattr(fit, "cov", None), "kind", None)
    if not isinstance(asked, Mapping) or "cluster" not in asked:
        return 0
    design = getattr(fit, "design", None)
    if fit.cov.clusters or design is None:
        return int(fit.cov.clusters)
    names = [asked["cluster"]] if isinstance(asked["cluster"], str) else asked["cluster"]
    return min(len(np.unique(design.cluster_codes(name)[design.weights > 0])) for name in names)
