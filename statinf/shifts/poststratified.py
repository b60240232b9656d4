"""Means of a multilevel model over the rows of a target and its groups, with their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.numerics.linear.aliases import alias_map, breaks_alias
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.numerics.mixed.rows import PooledFit, PooledRows
from statinf.shifts.pooled import PooledTerms
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling, weighted_scaling

_NODES = 32
"""Of the quadrature over a predictor's law."""


@dataclass(frozen=True, repr=False)
class FixedColumns(Brief):
    """How the fixed columns are centred and scaled, and which of them have a coefficient."""

    names: tuple[str, ...]
    intercept: bool
    scaling: Scaling
    kept: np.ndarray
    aliases: np.ndarray

    @classmethod
    def of(cls, samples: Samples, used: np.ndarray) -> FixedColumns:
        part, w = samples.design.parts[0], samples.design.weights[used]
        x = part.values[used]
        scaling = weighted_scaling(x, w / w.sum()) if x.shape[1] else Scaling(np.zeros(0), np.ones(0))
        if not part.intercept:
            scaling = Scaling(np.zeros(x.shape[1]), scaling.spread)
        else:
            scaling.centre[0], scaling.spread[0] = 0.0, 1.0
        z = scaling.apply(x)
        kept = independent_columns(triangular_factor(z, w), x.shape[1])
        return cls(part.names, part.intercept, scaling, kept, alias_map(z, kept))

    def at(self, x: np.ndarray) -> np.ndarray:
        return self.scaling.apply(x)[:, self.kept]

    def check_target(self, x: np.ndarray) -> None:
        broken = breaks_alias(self.scaling.apply(x), self.kept, self.aliases)
        if broken.any():
            guilty = ", ".join(repr(n) for n, k in zip(self.names, self.kept, strict=True) if not k)
            raise NotIdentifiedError(
                f"in {int(broken.sum())} target rows {guilty} do not follow from the other columns as they do in the source, so "
                "their coefficients matter and have no estimate; leave them out of the formula."
            )

    def back(self) -> np.ndarray:
        """From coefficients of the scaled columns to those of the columns as they stand, shape (p, k)."""
        matrix = np.diag(1.0 / self.scaling.spread)
        if self.intercept:
            matrix[0] -= self.scaling.centre / self.scaling.spread
        return matrix[:, self.kept]


def poststratified(
    samples: Samples, pooled: PooledTerms, columns: FixedColumns, fit: PooledFit, gram: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Means of the target and of its groups, their covariance and degrees of freedom, and their names.

    `gram` is the source's (p + q, p + q) of a gaussian outcome.
    """
    target = samples.target
    rows, there, coef = _extended(columns.at(target.x), pooled, fit)
    covariance = _with_unseen(rows, there, fit.covariance, fit.variances)
    eta = rows.predictor(coef)
    mean, slope = (eta, np.ones(len(eta))) if gram is not None else _over_law(eta, rows.quadratic(covariance))
    names, groups = ["mean"], [np.ones(len(eta), dtype=bool)]
    if pooled.by is not None:
        by, levels, of = pooled.by
        names += [f"{by}[{level}]" for level in levels]
        groups += [of == k for k in range(len(levels))]
    shares = np.array([np.where(g, target.weights, 0.0) for g in groups])
    shares /= shares.sum(axis=1, keepdims=True)
    theta = shares @ mean
    gradient = np.array([rows.transposed(share * slope) for share in shares])
    matrix = gradient @ covariance @ gradient.T
    if not pooled.census:
        influence = shares * (mean - theta[:, None])
        matrix += influence @ influence.T
    pull = gradient @ _with_unseen(rows, there, fit.conditional, fit.variances)
    return theta, matrix, _satterthwaite(np.diag(matrix), pull, rows, there, fit, gram), tuple(names)


def _satterthwaite(
    variance: np.ndarray, pull: np.ndarray, rows: PooledRows, there: np.ndarray, fit: PooledFit, gram: np.ndarray | None
) -> np.ndarray:
    """Degrees of freedom of variances (R,) whose components are estimated, by the products of gradients and covariance.

    With C = (T'T / s^2 + diag(1 / s_k^2))^-1 the variance l'Cl of a mean moves by |(Cl)_k|^2 / s_k^4 with s_k^2.
    """
    components = fit.variances / fit.dispersion
    with np.errstate(divide="ignore", invalid="ignore"):
        # In units of the error, whose square may be beyond floats.
        pull = pull / np.sqrt(variance * fit.dispersion)[:, None]
        by = np.array([rows.sums(row**2) for row in pull[:, rows.p :]]) / components**2
    by = np.where(components > 0, by, 0.0)
    own = np.zeros(len(pull))
    if gram is not None:
        own = np.einsum("ij,jk,ik->i", pull[:, there], gram, pull[:, there])
    slopes = np.column_stack([by, own])
    spread = np.einsum("ij,jk,ik->i", slopes, fit.components, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 2.0 / spread
    return np.where(np.isfinite(df), np.maximum(df, 1.0), np.inf)


def _extended(x: np.ndarray, pooled: PooledTerms, fit: PooledFit) -> tuple[PooledRows, np.ndarray, np.ndarray]:
    """Target rows with a column for each of their levels, which of these the source has, and all coefficients."""
    sizes = tuple(len(t.levels) for t in pooled.terms)
    rows = PooledRows(x, tuple(t.target for t in pooled.terms), sizes)
    known = [np.arange(len(t.levels)) < t.seen for t in pooled.terms]
    there = np.concatenate([np.ones(x.shape[1], dtype=bool), *known])
    coef = np.zeros(len(there))
    coef[there] = fit.coef
    return rows, there, coef


def _with_unseen(rows: PooledRows, there: np.ndarray, covariance: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """The covariance with effects of levels that the source lacks: zero on average, with the variance of their term."""
    every = np.concatenate([np.zeros(rows.p), rows.repeat(variances)])
    out = np.diag(np.where(there, 0.0, every))
    out[np.ix_(there, there)] = covariance
    return out


def _over_law(eta: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the logistic function over normal predictors, and its derivative by their means, shape (m,) each."""
    from scipy.special import expit

    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    mean, slope = np.zeros(len(eta)), np.zeros(len(eta))
    root = np.sqrt(np.maximum(variance, 0.0))
    for node, weight in zip(nodes, weights, strict=True):
        share = expit(eta + node * root)
        mean += weight * share
        slope += weight * share * (1.0 - share)
    return mean, slope
