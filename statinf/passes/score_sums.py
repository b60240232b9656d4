"""Sums of products of the scores of one block, for covariances of all rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from statinf.formula.design import Design
from statinf.inference.levered import correction
from statinf.passes.scored import ScoredRows
from statinf.passes.sums import Extent


def root_rows(meat: np.ndarray) -> np.ndarray:
    """Rows whose products sum to a positive semi-definite matrix, shape (q, q)."""
    values, vectors = np.linalg.eigh(meat)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).T


def meat_of(score: Callable[[Design], ScoredRows], block: Design) -> np.ndarray:
    return score(block).products()


def powers_of(
    score: Callable[[Design], ScoredRows], outside: np.ndarray, block: Design
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares and fourth powers of influence values."""
    squares = np.dot(score(block).total, outside.T) ** 2
    return squares.sum(axis=0), (squares**2).sum(axis=0)


def leverages_of(score: Callable[[Design], ScoredRows], block: Design) -> Extent:
    return Extent.of(score(block).highest)


def levered_meat(
    score: Callable[[Design], ScoredRows], kind: str, nobs: int, q: int, highest: float | None, block: Design
) -> tuple[np.ndarray, Extent]:
    made = score(block)
    leverage = made.highest
    seen = Extent.of(leverage)
    inside = np.minimum(leverage, 1.0 - 1e-12)
    factor = correction(inside, np.array([float(q)]), kind, nobs, highest)[:, None]
    if made.adjustment is not None and made.weight_leverage is None:
        return replace(made, scores=made.scores * factor).products(), seen
    # Estimated weights shrink a row's score as its own fit does: both are corrected, by the larger leverage.
    return replace(made, scores=made.total * factor, adjustment=None).products(), seen
