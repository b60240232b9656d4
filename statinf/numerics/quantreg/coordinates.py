"""Columns near zero and of one size, in which quantile regressions are solved and their errors computed.

Where the rows of X have a combination X u = 1, the fits on X and on Z = (X - 1 shift') / scale, and on any Z times an
invertible matrix, are the same fits with other coefficients. Adding a constant to a column changes neither Z nor what is
computed from it; coefficients and covariances are carried back at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.numerics.linear.triangular import solve_triangular

FAR = 30.0
"""A column is far from zero if its middle is this many times its spread."""
UNEVEN = 100.0
"""Columns are uneven if their sizes differ by this factor."""
SKEW = 1e4
"""Centred and scaled columns of a larger condition number are replaced by an orthonormal basis."""

_SMALL = 4096
_SAME = 1e-10
_DEPENDENT = 1e-9


@dataclass(frozen=True)
class Coordinates:
    """The change of columns from X to Z = ((X - 1 shift') / scale) triangle^-1.

    Attributes
    ----------
    shift, scale : ndarray, shape (p,)
    unit : ndarray, shape (p,)
        X unit = 1 where any column is shifted; zero on shifted columns.
    triangle : ndarray, shape (p, p), or None
        Upper triangular.
    """

    shift: np.ndarray
    scale: np.ndarray
    unit: np.ndarray
    triangle: np.ndarray | None = None

    def columns(self, X: np.ndarray) -> np.ndarray:
        """Z of rows X, shape (n, p)."""
        Z = (X - self.shift if self.shift.any() else X) / self.scale
        return Z if self.triangle is None else solve_triangular(self.triangle, Z.T, trans="T", check_finite=False).T

    @cached_property
    def back(self) -> np.ndarray:
        """Coefficients of X from those of Z, shape (p, p)."""
        out = (np.eye(len(self.shift)) - np.outer(self.unit, self.shift)) / self.scale
        return out if self.triangle is None else solve_triangular(self.triangle, out.T, trans="T").T

    @cached_property
    def forward(self) -> np.ndarray:
        """Coefficients of Z from those of X, shape (p, p)."""
        out = self.scale[:, None] * (np.eye(len(self.shift)) + np.outer(self.unit, self.shift))
        return out if self.triangle is None else self.triangle @ out


def coordinates(X: np.ndarray, *, orthogonal: bool = True, even: bool = False) -> Coordinates | None:
    """Coordinates in which the columns of X are well scaled.

    Parameters
    ----------
    X : (n, p)
        Of full column rank.
    orthogonal : bool
        Whether Z may be an orthonormal basis where centred and scaled columns are nearly collinear.
    even : bool
        Change the columns of few rows in any case, so that what is computed is the same wherever they stand.

    Returns
    -------
    Coordinates or None
        None where the columns are well scaled as they are.
    """
    n, p = X.shape
    some = X if n <= _SMALL else X[:: -(-n // _SMALL)]
    # The middle is the value of a row: differences from it are exact where a column is far from zero.
    middle = np.partition(some, (len(some) - 1) // 2, axis=0)[(len(some) - 1) // 2]
    spread = np.sqrt(np.mean((some - middle) ** 2, axis=0))
    size = np.sqrt(np.mean(some**2, axis=0))
    even = even and n <= _SMALL
    far = np.abs(middle) > (0.0 if even else FAR) * spread
    # Where no column that varies is far from zero nothing is shifted, and what sums to one is asked for last.
    near = not (even or (far & (spread > 0.0)).any())
    unit = np.zeros(p) if near else _ones(X, some, middle, spread, far)
    shift = np.where(far & (unit == 0.0), middle, 0.0) if unit.any() else np.zeros(p)
    scale = np.where(shift == 0.0, size, spread)
    for j in np.flatnonzero(scale == 0.0):  # a column that varies only outside the sample
        scale[j] = np.sqrt(np.mean((X[:, j] - shift[j]) ** 2)) or 1.0
    triangle = None
    if orthogonal:
        Z = (some - shift) / scale
        if len(some) > p and np.linalg.eigvalsh(Z.T @ Z / len(Z))[0] < p / SKEW**2:
            triangle = np.linalg.qr((X - shift) / scale, mode="r") / np.sqrt(n)
            if np.abs(np.diag(triangle)).min() < _DEPENDENT:
                triangle = None
    if not (even or shift.any() or triangle is not None or scale.max() > UNEVEN * scale.min()):
        return None
    return Coordinates(shift, scale, _ones(X, some, middle, spread, far) if near else unit, triangle)


def _ones(X: np.ndarray, some: np.ndarray, middle: np.ndarray, spread: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Coefficients u, zero on columns far from zero that vary, with X u = 1; all zero where there are none."""
    unit = np.zeros(X.shape[1])
    if not far.any():
        return unit
    for j in np.flatnonzero((spread == 0.0) & (middle != 0.0)):
        if (X[:, j] == middle[j]).all():
            unit[j] = 1.0 / middle[j]
            return unit
    # The cells of a factor sum to one.
    near = np.flatnonzero(np.isin(some, (0.0, 1.0)).all(axis=0))
    if len(near):
        found = np.linalg.lstsq(some[:, near], np.ones(len(some)), rcond=None)[0]
        found[np.abs(found) < _SAME] = 0.0
        if np.abs(X[:, near] @ found - 1.0).max() < _SAME:
            unit[near] = np.round(found, 9)
    return unit
