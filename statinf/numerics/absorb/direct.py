"""The normal equations of effects, the largest factor eliminated, as a sparse matrix and its factorisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from statinf.numerics.absorb.factors import Factors

_MOST_LEVELS = 8192
"""Levels beyond the largest factor up to which a factorisation fits, even where it fills in."""
_MOST_PRODUCTS = 5e7
_SHIFT = 1e-8
"""Added to the diagonal, over the levels' weights: the equations leave a constant free."""


def factorised(
    factors: Factors, totals: Sequence[np.ndarray], inverses: Sequence[np.ndarray], cells: Mapping[tuple[int, int], Any]
) -> Callable[[np.ndarray], np.ndarray] | None:
    """About the inverse of the equations, as a function of (m, p); None where they are too many.

    Parameters
    ----------
    factors : Factors
    totals, inverses : sequence of ndarray, shape (levels,)
        Weights of the levels of each factor, and one over them.
    cells : mapping
        Weights by cell of two factors, sparse.
    """
    from scipy.sparse import block_array, diags_array, hstack
    from scipy.sparse.linalg import splu

    main, others = factors.main, factors.others
    squares = sum(float(np.sum(np.diff(cells[main, q].indptr).astype(np.float64) ** 2)) for q in others)
    if sum(factors.sizes[q] for q in others) > _MOST_LEVELS or squares > _MOST_PRODUCTS:
        return None
    blocks: list[list[Any]] = [[None] * len(others) for _ in others]
    for i, p in enumerate(others):
        blocks[i][i] = diags_array(np.where(totals[p] > 0.0, totals[p] * (1.0 + _SHIFT), 1.0))
        for j in range(i + 1, len(others)):
            blocks[i][j] = cells[p, others[j]]
            blocks[j][i] = blocks[i][j].T
    side = hstack([cells[main, q] for q in others], format="csr")
    matrix = block_array(blocks, format="csc") - side.T @ (diags_array(inverses[main]) @ side)
    try:
        found = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # exactly singular
        return None
    return found.solve
