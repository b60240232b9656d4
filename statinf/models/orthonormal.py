"""Rows in the coordinates that likelihoods are maximised in: orthonormal columns, which know no place, unit or collinearity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_columns
from statinf.inference.moments import Moments
from statinf.models import regression as common
from statinf.models.row_counts import ONE_EACH, RowCounts
from statinf.numerics.linear.factors import scaled_condition
from statinf.numerics.linear.reduction import reduce_columns
from statinf.numerics.quantreg.coordinates import Coordinates
from statinf.results import stack_scores


@dataclass(frozen=True, kw_only=True, repr=False)
class OrthonormalRows(Brief):
    """Rows of positive weight, with columns that are not aliased made orthonormal under the weights.

    Attributes
    ----------
    design : Design
    used : ndarray of int, shape (n,)
        Positions among the design's rows.
    Z : ndarray, shape (n, k)
        Columns of weighted mean square one.
    weights : ndarray, shape (n,)
    offset : ndarray, shape (n,), or None
    at : Coordinates
        From the columns to Z.
    kept : ndarray of bool, shape (p,)
    aliases : ndarray, shape (k, p - k)
    counts : RowCounts
    """

    design: Design
    used: np.ndarray
    Z: np.ndarray
    weights: np.ndarray
    offset: np.ndarray | None
    at: Coordinates
    kept: np.ndarray
    aliases: np.ndarray
    counts: RowCounts = ONE_EACH

    @property
    def nobs(self) -> int:
        """Observations that the rows stand for."""
        return self.counts.nobs(self.design.weights)

    @property
    def size(self) -> np.ndarray:
        """Squared length of each row of Z, which is its leverage but for a factor, shape (n,)."""
        return np.einsum("ij,ij->i", self.Z, self.Z)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the rows of positive weight on all rows of the design; zero elsewhere."""
        if len(self.used) == self.design.n:
            return values
        out = np.zeros((self.design.n, *values.shape[1:]))
        out[self.used] = values
        return out

    def moments(
        self, scores: np.ndarray, information: np.ndarray, to_inner: np.ndarray, to_outer: np.ndarray
    ) -> Moments:
        """Moments of a likelihood, with the inverse information as the model's covariance.

        Parameters
        ----------
        scores : ndarray, shape (n, q)
            Of the rows used, without weights, in the parameters that are solved for.
        information : ndarray, shape (q, q)
            Of all rows, there.
        to_inner, to_outer : ndarray, shape (q, q)
            Derivatives of the parameters that are solved for in those that are reported, and the other way.
        """
        made, unit = self.design, self.spread(scores @ to_inner)
        factor = np.asarray(np.linalg.qr(np.linalg.cholesky(information).T @ to_inner, mode="r"))
        bread = to_outer @ np.linalg.inv(information) @ to_outer.T
        stacked: dict[str, Any] = {}
        if made.weights_object is not None:
            stacked = stack_scores(made.weights_object, made.rows, unit)
        nobs = self.nobs
        weighted = unit if (made.weights == 1.0).all() else unit * made.weights[:, None]
        return Moments(
            weighted, bread, nobs, float(nobs - len(bread)), bread, factor=factor, present=made.weights > 0,
            copies=self.counts.copies, **stacked
        )  # fmt: skip


def orthonormal_rows(
    made: Design, matrix: Matrix, counts: RowCounts = ONE_EACH, *, warn: bool = True
) -> OrthonormalRows:
    """The rows of a design, with columns of their own or of a matrix that is made of them.

    Aliased columns are named in one warning, unless they have been; columns whose squares are no numbers are refused.
    """
    check_columns(matrix)
    used = np.flatnonzero(made.weights > 0)
    whole = len(used) == made.n
    X, weights = (matrix.values, made.weights) if whole else (matrix.values[used], made.weights[used])
    reduced = reduce_columns(X, weights)
    kept, factor = reduced.kept, reduced.centred_factor
    common.check_size(counts.nobs(made.weights), len(factor), matrix.names)
    if warn:
        common.warn_aliased(matrix.names, kept, scaled_condition(factor))
    k = len(factor)
    shift, unit = np.zeros(k), np.zeros(k)
    if reduced.centring is not None:
        shift, unit = reduced.centring.centre[kept], reduced.centring.ones[kept]
    # Signs that make the diagonal positive: the first column keeps its own.
    factor = factor * np.sign(np.diag(factor))[:, None]
    at = Coordinates(shift, np.ones(k), unit, factor / np.sqrt(weights.sum()))
    Z = np.ascontiguousarray(at.columns(X if kept.all() else X[:, kept]))
    offset = None if made.offset is None else made.offset if whole else made.offset[used]
    return OrthonormalRows(
        design=made, used=used, Z=Z, weights=weights, offset=offset, at=at, kept=kept, aliases=reduced.aliases,
        counts=counts,
    )  # fmt: skip
