"""Columns that others determine: how they follow from them, and rows in which they do not."""

from __future__ import annotations

import numpy as np

from statinf.numerics.linear.least_squares import solve
from statinf.numerics.linear.reduction import without_rounding

_BROKEN = 1e-8
"""Share of the terms' size beyond which what is left of an alias is no rounding."""


def alias_map(columns: np.ndarray, kept: np.ndarray, w: np.ndarray | None = None) -> np.ndarray:
    """How the kept columns make those left out, shape (k, p - k).

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    kept : ndarray of bool, shape (p,)
        Independent columns that span the others.
    w : ndarray, shape (n,), optional
        Rows of weight zero may break what holds in the others.
    """
    if kept.all():
        return np.empty((len(kept), 0))
    weights = np.ones(len(columns)) if w is None else w
    made = np.column_stack([solve(columns[:, kept], column, weights).coef for column in columns[:, ~kept].T])
    return without_rounding(made, columns, kept, w)


def breaks_alias(columns: np.ndarray, kept: np.ndarray, aliases: np.ndarray) -> np.ndarray:
    """Rows in which a column that was left out does not follow from the others as it did in the fit, shape (n,).

    Such a row depends on the coefficient that has no estimate: a cell that was empty, or x2 that was 2 x1.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    kept : ndarray of bool, shape (p,)
    aliases : ndarray, shape (k, p - k)
        From `alias_map`.
    """
    if kept.all():
        return np.zeros(len(columns), dtype=bool)
    left, out = columns[:, kept], columns[:, ~kept]
    gap = np.abs(out - left @ aliases)
    size = np.abs(out) + np.abs(left) @ np.abs(aliases)
    return np.asarray((gap > _BROKEN * size).any(axis=1))
