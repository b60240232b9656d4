"""Scales of columns, and weights of some rows, without needless copies."""

from __future__ import annotations

import numpy as np

from statinf.numerics.rowwise.sums import some_rows


def weights_at(s: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``s[rows]``; where all rows weigh the same, one number in all places and no memory."""
    return np.broadcast_to(s[0], rows.shape) if s.min() == s.max() else s[rows]


def rough_scales(x: np.ndarray) -> np.ndarray:
    """Standard deviations of some rows, shape (p,): enough to condition a solver, whose answer does not depend on them."""
    some = some_rows(x, 5000)
    return _or_one(some.std(axis=0), some.mean(axis=0))


def scales(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted standard deviations of columns, shape (p,), with one in place of zero."""
    total = weights.sum()
    centre = weights @ x / total
    sd = np.sqrt(np.maximum(weights @ (x - centre) ** 2 / total, 0.0))
    return _or_one(sd, centre)


def _or_one(sd: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.where(sd > 1e-12 * np.maximum(np.abs(centre), 1e-300), sd, 1.0)
