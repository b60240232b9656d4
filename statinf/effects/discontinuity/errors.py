"""How residuals become variances: nearest neighbours, HC0 to HC3, or clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.numerics.localpoly.side import LocalFit
from statinf.numerics.localpoly.variance import Clusters, clustered_residuals, residuals


@dataclass(frozen=True, repr=False)
class ErrorRule(Brief):
    """A kind of variance.

    Attributes
    ----------
    kind : str
        "nn", "hc0" to "hc3", or "CR1" to "CR3".
    neighbours : int
    clusters : ndarray of int, shape (n,), or None
        Of all rows of the problem.
    """

    kind: str
    neighbours: int = 3
    clusters: np.ndarray | None = None

    def residuals(self, fit: LocalFit) -> np.ndarray:
        """Residuals of the rows of a fit, shape (n, m), whose weighted squares (by cluster) are the variance."""
        if self.clusters is None:
            return residuals(fit, self.kind, self.neighbours)
        return clustered_residuals(fit, residuals(fit, "hc0"), self.clusters[fit.side.index], self.kind)

    def named(self, kind: Any, stacked: bool = False) -> str:
        """As tables print it."""
        if self.clusters is not None:
            label = f"clustered by {kind['cluster']} ({self.kind})"
        else:
            label = f"nearest neighbours ({self.neighbours})" if self.kind == "nn" else self.kind.upper()
        return label + (", weights taken as fixed" if stacked else "")

    def variance(self, fit: LocalFit, weights: np.ndarray, combination: np.ndarray) -> float:
        """Variance of the sum of weights (n,) times a combination (m,) of the outcomes."""
        scores = weights * self.residuals(combined(fit, combination))[:, 0]
        if self.clusters is not None:
            scores = Clusters.of(self.clusters[fit.side.index]).sums(scores)
        return float(scores @ scores)


def combined(fit: LocalFit, combination: np.ndarray) -> LocalFit:
    """The fit of a combination (m,) of the outcomes."""
    if len(combination) == 1 and combination[0] == 1.0:
        return fit
    return replace(fit, side=replace(fit.side, y=(fit.side.y @ combination)[:, None]))


def rule_of(kind: Any, neighbours: int, design: Design) -> ErrorRule:
    """The rule of a covariance in normal form: a name, or a mapping with `cluster` and `type`."""
    if isinstance(kind, Mapping):
        if not isinstance(kind["cluster"], str):
            raise NotIdentifiedError("errors of si.rd cluster by one column")
        return ErrorRule(kind["type"].replace("HC", "CR"), neighbours, design.cluster_codes(kind["cluster"]))
    return ErrorRule(kind.lower(), neighbours)
