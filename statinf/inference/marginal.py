"""Means of rows, their slopes in a variable, and the derivatives of both in the coefficients: arrays alone.

A mean is h(eta_1, ..., eta_J) of J linear predictors eta_j = x'b_j. Its derivative in the coefficients is x times the slope of
h, and that of its slope along dx needs the second derivative of h besides, so that nothing but h is ever differenced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.inference.indexed_mean import IndexedMean

SLOPES = ("dydx", "eyex", "eydx", "dyex")


@dataclass(frozen=True, repr=False)
class SlopePiece(Brief):
    """A share of rows' derivatives: row i has `factors[i, j] * columns[i]` in predictor j, at some columns.

    Attributes
    ----------
    factors : ndarray, shape (m, J)
    columns : ndarray, shape (m, k), or (k,) where all rows have the same
    positions : ndarray of int, shape (k,), or None for all columns
    """

    factors: np.ndarray
    columns: np.ndarray
    positions: np.ndarray | None = None

    def add_rows(self, out: np.ndarray) -> None:
        """Add to the derivatives of rows, shape (m, J, p)."""
        made = self.factors[:, :, None] * (self.columns if self.columns.ndim == 1 else self.columns[:, None, :])
        if self.positions is None:
            out += made
        else:
            out[:, :, self.positions] += made

    def add_sums(self, out: np.ndarray, groups: RowGroups) -> None:
        """Add to weighted sums over groups of rows, shape (G, J, p)."""
        for j in range(self.factors.shape[1]):
            factor = self.factors[:, j]
            made = (
                np.outer(groups.sums(factor), self.columns)
                if self.columns.ndim == 1
                else groups.products(factor, self.columns)
            )
            if self.positions is None:
                out[:, j] += made
            else:
                out[:, j, self.positions] += made


@dataclass(frozen=True, repr=False)
class RowGroups(Brief):
    """Groups of rows with weights.

    Attributes
    ----------
    codes : ndarray of int, shape (m,)
        -1 for rows in no group.
    weights : ndarray, shape (m,)
    count : int
    """

    codes: np.ndarray
    weights: np.ndarray
    count: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums by group, shape (G,)."""
        if self.count == 1:
            return np.array([self.weights @ values])
        inside = self.codes >= 0
        weighted = (self.weights * values)[inside]
        return np.bincount(self.codes[inside], weights=weighted, minlength=self.count)

    def products(self, factor: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Weighted sums of factor times columns by group, shape (G, k)."""
        if self.count == 1:
            return ((self.weights * factor) @ columns)[None, :]
        from scipy.sparse import csr_array

        inside = np.flatnonzero(self.codes >= 0)
        weighted = (self.weights * factor)[inside]
        spread = csr_array((weighted, (self.codes[inside], inside)), shape=(self.count, len(columns)))
        return np.asarray(spread @ columns)

    @property
    def totals(self) -> np.ndarray:
        """Weight of each group, shape (G,)."""
        return self.sums(np.ones(len(self.weights)))


@dataclass(frozen=True, repr=False)
class RowValues(Brief):
    """Values of rows with the pieces of their derivatives in the coefficients of the predictors."""

    values: np.ndarray
    pieces: tuple[SlopePiece, ...]

    def rows(self, mean: IndexedMean, p: int, q: int) -> np.ndarray:
        """Derivatives of each row in theta, shape (m, q)."""
        out = np.zeros((len(self.values), mean.predictors, p))
        for piece in self.pieces:
            piece.add_rows(out)
        return mean.gathered(out, q)

    def sums(self, mean: IndexedMean, groups: RowGroups, p: int, q: int) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums over groups, shape (G,), and their derivatives in theta, shape (G, q)."""
        out = np.zeros((groups.count, mean.predictors, p))
        for piece in self.pieces:
            piece.add_sums(out, groups)
        return groups.sums(self.values), mean.gathered(out, q)


def predictors(columns: np.ndarray, coefficients: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Linear predictors of rows, shape (m, J)."""
    eta = columns @ coefficients.T
    return eta if offset is None else eta + offset[:, None]


def mean_values(
    mean: IndexedMean,
    theta: np.ndarray,
    columns: np.ndarray,
    offset: np.ndarray | None,
    link: bool = False,
    bare: bool = False,
) -> RowValues:
    """Means of rows; with `link` the one linear predictor, and `bare` without derivatives."""
    eta = predictors(columns, mean.coefficients(theta), offset)
    straight = link or mean.linear
    value = eta[:, 0] if straight else mean.inverse(eta)
    if bare:
        return RowValues(value, ())
    return RowValues(value, (SlopePiece(np.ones_like(eta) if straight else mean.slope(eta), columns),))


@dataclass(frozen=True, repr=False)
class Direction(Brief):
    """How columns move with a variable.

    Attributes
    ----------
    positions : ndarray of int, shape (k,)
    values : ndarray, shape (m, k) or (k,)
    offset : ndarray, shape (m,), or None
    variable : ndarray, shape (m,)
        Its values, for elasticities.
    """

    positions: np.ndarray
    values: np.ndarray
    offset: np.ndarray | None
    variable: np.ndarray


def slope_values(
    mean: IndexedMean,
    theta: np.ndarray,
    columns: np.ndarray,
    offset: np.ndarray | None,
    direction: Direction,
    kind: str = "dydx",
    link: bool = False,
    bare: bool = False,
) -> RowValues:
    """Slopes of rows' means in a variable, or elasticities.

    Parameters
    ----------
    mean : IndexedMean
    theta : ndarray, shape (q,)
    columns : ndarray, shape (m, p)
    offset : ndarray, shape (m,), or None
    direction : Direction
    kind : {"dydx", "eyex", "eydx", "dyex"}
    link : bool
        Slopes of the one linear predictor.
    bare : bool
        Without derivatives in theta.
    """
    b = mean.coefficients(theta)
    m = len(columns)
    moved = direction.values @ b[:, direction.positions].T
    moved = np.broadcast_to(moved, (m, len(b)))
    if direction.offset is not None:
        moved = moved + direction.offset[:, None]
    straight = link or mean.linear
    need_eta = kind in ("eyex", "eydx") or not straight
    eta = predictors(columns, b, offset) if need_eta else np.empty((m, len(b)))
    slope = np.ones((m, len(b))) if straight else mean.slope(eta)
    value = np.einsum("ij,ij->i", slope, moved)
    bent = None
    if not straight and not bare:
        bent = mean.curvature(eta)
        bent = bent[:, :, 0] * moved if len(b) == 1 else np.einsum("ijl,ij->il", bent, moved)
    if kind in ("eyex", "dyex"):
        x = direction.variable
        value, slope = value * x, slope * x[:, None]
        bent = None if bent is None else bent * x[:, None]
    if kind in ("eyex", "eydx"):
        y = eta[:, 0] if straight else mean.inverse(eta)
        own = np.ones((m, len(b))) if straight else mean.slope(eta)
        value, slope = value / y, slope / y[:, None]
        bent = (0.0 if bent is None else bent / y[:, None]) - own * (value / y)[:, None]
    if bare:
        return RowValues(value, ())
    pieces = [SlopePiece(slope, direction.values, direction.positions)]
    if bent is not None:
        pieces.append(SlopePiece(bent, columns))
    return RowValues(value, tuple(pieces))


def shared_slopes(
    mean: IndexedMean,
    theta: np.ndarray,
    columns: np.ndarray,
    offset: np.ndarray | None,
    directions: Sequence[Direction],
    groups: RowGroups,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of the slopes of one predictor's mean in variables that enter linearly, all in one pass over the rows.

    Returns
    -------
    values : ndarray, shape (V, G)
    gradients : ndarray, shape (V, G, q)
    """
    b, p = mean.coefficients(theta), columns.shape[1]
    if mean.linear:
        first, second = groups.totals, np.zeros((groups.count, p))
    else:
        eta = predictors(columns, b, offset)
        first = groups.sums(mean.slope(eta)[:, 0])
        second = groups.products(mean.curvature(eta)[:, 0, 0], columns)
    moved = np.array([d.values @ b[0, d.positions] for d in directions])
    gradients = moved[:, None, None] * second
    for v, d in enumerate(directions):
        gradients[v][:, d.positions] += np.outer(first, d.values)
    return np.outer(moved, first), mean.gathered(gradients[:, :, None, :], len(theta))


def drawn_values(
    mean: IndexedMean,
    thetas: np.ndarray,
    columns: np.ndarray,
    offset: np.ndarray | None,
    direction: Direction | None = None,
    kind: str = "dydx",
    link: bool = False,
) -> np.ndarray:
    """Means of rows, or with a direction their slopes, under draws of theta (R, q), shape (m, R)."""
    if mean.predictors > 1 or (direction is not None and kind != "dydx"):
        if direction is None:
            made = [mean_values(mean, theta, columns, offset, link, bare=True) for theta in thetas]
        else:
            made = [slope_values(mean, theta, columns, offset, direction, kind, link, bare=True) for theta in thetas]
        return np.column_stack([one.values for one in made])
    b, straight = mean.coefficients(thetas)[:, 0], link or mean.linear
    eta = columns @ b.T
    if offset is not None:
        eta += offset[:, None]
    flat = eta.reshape(-1, 1)
    if direction is None:
        return eta if straight else mean.inverse(flat).reshape(eta.shape)
    moved = np.atleast_2d(direction.values) @ b[:, direction.positions].T
    if direction.offset is not None:
        moved = moved + direction.offset[:, None]
    moved = np.broadcast_to(moved, eta.shape)
    return moved if straight else mean.slope(flat).reshape(eta.shape) * moved
