"""Columns that are orthonormal over the rows, for likelihoods whose own are not told apart, and the way back."""

from __future__ import annotations

import numpy as np

from statinf.numerics.linear.factors import scaled_condition
from statinf.numerics.linear.reduction import Reduced
from statinf.numerics.linear.triangular import solve_triangular


def orthonormal(columns: np.ndarray, reduced: Reduced) -> np.ndarray:
    """The kept columns, orthonormal over the rows, shape (n, k)."""
    kept = columns if reduced.kept.all() else columns[:, reduced.kept]
    if reduced.centring is not None:
        kept = kept - reduced.centring.centre[reduced.kept]
    inverse = solve_triangular(reduced.centred_factor, np.eye(reduced.rank))
    return np.asarray(kept @ inverse, order="F")


def inside(start: np.ndarray, reduced: Reduced) -> np.ndarray:
    """Coefficients of the orthonormal columns, from those of the columns as they stand."""
    beta = np.asarray(start, dtype=np.float64)[reduced.kept]
    if reduced.centring is not None:
        beta = beta + reduced.centring.ones[reduced.kept] * (reduced.centring.centre[reduced.kept] @ beta)
    return reduced.centred_factor @ beta


def as_they_stand(reduced: Reduced, beta: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients (p,), information's factor (k, k) and its condition in columns as they stand, from the orthonormal ones."""
    coef = np.full(len(reduced.kept), np.nan)
    centred = solve_triangular(reduced.centred_factor, beta)[:, None]
    coef[reduced.kept] = (
        centred if reduced.centring is None else reduced.centring.raw_coefficients(centred, reduced.kept)
    )[:, 0]
    inner = factor @ reduced.centred_factor
    condition = scaled_condition(inner)
    if reduced.centring is not None:
        inner = reduced.centring.raw_factor(inner, reduced.kept)
    return coef, inner, condition
