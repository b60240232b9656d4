"""Rows in an order of their own: what is drawn by a row's place must not depend on the order of the caller's table."""

from __future__ import annotations

import numpy as np


def content_order(*columns: np.ndarray) -> np.ndarray:
    """Positions that sort rows by their contents, the first column (n,) first, shape (n,).

    Rows that agree in all columns are interchangeable and keep their order. Contents are compared by rank, so that the
    order is the same in any unit of a column.
    """
    order = np.argsort(columns[0], kind="stable")
    tied = np.flatnonzero(np.diff(columns[0][order]) == 0)
    if len(tied) == 0 or len(columns) == 1:
        return order
    return np.lexsort(columns[::-1])
