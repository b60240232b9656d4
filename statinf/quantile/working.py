"""Solved linear quantile regressions, and the rows they are computed on: columns near zero and of one size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from statinf.formula.design import Design
from statinf.numerics.linear.products import by_rows
from statinf.numerics.quantreg.coordinates import Coordinates, coordinates


@dataclass(frozen=True)
class WorkingRows:
    """Rows of positive weight and columns that are not aliased.

    Attributes
    ----------
    Z : ndarray, shape (n, p)
        Regressors in the coordinates `at`.
    y : ndarray, shape (n,)
        Outcome less offset, and less `level` where a combination of the columns is constant.
    w : ndarray, shape (n,)
    coef : ndarray, shape (k, p)
        Of Z.
    used : ndarray, shape (n,)
        Positions among the design's rows.
    at : Coordinates or None
        None where Z are the regressors themselves.
    level : float
    """

    Z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    coef: np.ndarray
    used: np.ndarray
    at: Coordinates | None
    level: float

    @cached_property
    def plain(self) -> bool:
        """Whether every weight is one."""
        return bool((self.w == 1.0).all())

    @cached_property
    def Zw(self) -> np.ndarray:
        """Regressors times weights."""
        return self.Z if self.plain else self.Z * self.w[:, None]

    @cached_property
    def yw(self) -> np.ndarray:
        return self.y if self.plain else self.y * self.w

    def fitting(self, coef: np.ndarray, basis: np.ndarray | None) -> WorkingRows:
        """The same with coefficients (k, p) of the regressors, or of the fits that interpolate the rows of a basis (k, p)."""
        if self.at is None:
            return replace(self, coef=coef)
        if basis is not None:
            return replace(self, coef=np.linalg.solve(self.Z[basis], self.y[basis][:, :, None])[:, :, 0])
        return replace(self, coef=(coef - self.level * self.at.unit) @ self.at.forward.T)

    @property
    def back(self) -> np.ndarray:
        """Coefficients of the regressors from those of Z, shape (p, p)."""
        return np.eye(self.Z.shape[1]) if self.at is None else self.at.back

    def carried(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients of the regressors, of the outcome as it was given, from those of Z; shape (..., p)."""
        if self.at is None:
            return coef
        return coef @ self.at.back.T + self.level * self.at.unit

    def carried_root(self, root: np.ndarray) -> np.ndarray:
        """A root of the covariance of all levels' coefficients, shape (k p, r), from one of those of Z."""
        if self.at is None:
            return root
        p = self.Z.shape[1]
        return np.concatenate([self.at.back @ root[i : i + p] for i in range(0, len(root), p)])

    def carried_covariance(self, matrix: np.ndarray) -> np.ndarray:
        """The covariance of the stacked coefficients of all levels, from that of the coefficients of Z."""
        if self.at is None:
            return matrix
        p = self.Z.shape[1]
        k = len(matrix) // p
        blocks = np.einsum("ij,kjlm,nm->kiln", self.at.back, matrix.reshape(k, p, k, p), self.at.back, optimize=True)
        return blocks.reshape(k * p, k * p)


def working_rows(
    made: Design, coef: np.ndarray, basis: np.ndarray | None = None, *, orthogonal: bool = True
) -> WorkingRows:
    """The rows of a fit from its design.

    Parameters
    ----------
    made : Design
    coef : (k, all columns)
        Of the regressors; NaN for aliased columns.
    basis : (k, p), optional
        Rows that the fit interpolates, from which the coefficients of Z keep all their digits.
    orthogonal : bool
        See `coordinates`.
    """
    kept = ~np.isnan(coef[0])
    used = np.flatnonzero(made.weights > 0)
    y = made.y if made.offset is None else made.y - made.offset
    X = made.parts[0].values
    whole = len(used) == len(y)
    X, y = X if kept.all() else X[:, kept], y if whole else y[used]
    X = by_rows(X if whole else X[used])
    at = coordinates(X, orthogonal=orthogonal, even=True) if X.size else None
    inner, level = coef[:, kept], 0.0
    if at is not None:
        X = at.columns(X)
        if at.unit.any():
            level = float(np.partition(y, (len(y) - 1) // 2)[(len(y) - 1) // 2])
            y = y - level
    w = made.weights if whole else made.weights[used]
    return WorkingRows(X, y, w, inner, used, at, level).fitting(inner, basis)


@dataclass(frozen=True)
class SolvedQuantiles:
    """Linear quantile regressions at k levels, with what their standard errors need.

    Attributes
    ----------
    design : Design
    tau : ndarray, shape (k,)
    coef : ndarray, shape (k, all columns)
        NaN for aliased columns.
    objective : ndarray, shape (k,)
        Weighted check loss.
    basis, dual : ndarray, shape (k, p), or None
        Rows that each level interpolates, and their subgradients; None under constraints.
    rule : {"hall-sheather", "bofinger"}
        Bandwidth of the density estimates.
    lent : list of WorkingRows
        Those that the fit was made on, for the first who asks for rows.
    """

    design: Design
    tau: np.ndarray
    coef: np.ndarray
    objective: np.ndarray
    basis: np.ndarray | None
    dual: np.ndarray | None
    rule: str
    lent: list[WorkingRows] = field(default_factory=list, compare=False, repr=False)

    @cached_property
    def rows(self) -> WorkingRows:
        if self.lent:
            return self.lent.pop().fitting(self.coef[:, ~np.isnan(self.coef[0])], self.basis)
        return working_rows(self.design, self.coef, self.basis, orthogonal=self.basis is not None)

    @property
    def df_resid(self) -> float:
        return float(np.count_nonzero(self.design.weights > 0) - np.count_nonzero(~np.isnan(self.coef[0])))

    @property
    def psi(self) -> np.ndarray:
        """Tau - 1{residual < 0}, with the optimal subgradients at interpolated rows, shape (k, n)."""
        rows = self.rows
        psi = self.tau[:, None] - (rows.y - rows.coef @ rows.Z.T < 0)
        if self.basis is not None and self.dual is not None:
            np.put_along_axis(psi, self.basis, self.dual, axis=1)
        return psi
