"""Orthogonal polynomials of a variable by their three-term recurrence (Stoer and Bulirsch 2002, 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def orthogonal_columns(x: np.ndarray, degree: int, state: dict[str, Any]) -> np.ndarray:
    """Polynomials of degree 1 to `degree`, orthonormal on the rows that made the state.

    Parameters
    ----------
    x : ndarray, shape (n,)
    degree : int
    state : dict
        `alpha`, the centres of the recurrence, and `norms2`, the squared lengths, by degree; made here where it is empty.

    Returns
    -------
    ndarray, shape (n, degree)
        Column-major.
    """
    learning = "alpha" not in state
    alpha: dict[int, float] = {} if learning else _by_degree(state["alpha"])
    norms2: dict[int, float] = {0: float(len(x))} if learning else _by_degree(state["norms2"])
    if learning:
        alpha[0] = float(np.mean(x))
    centred = x - alpha[0]
    out = np.empty((len(x), degree), order="F")
    before, last = None, np.ones(len(x))
    for k in range(1, degree + 1):
        column = out[:, k - 1]
        # Differences from the mean, so that where the variable stands takes no digits.
        np.subtract(centred, alpha[k - 1] - alpha[0], out=column)
        if k > 1:
            column *= last
        if before is not None:
            column -= norms2[k - 1] / norms2[k - 2] * before
        if learning:
            square = column * column
            norms2[k] = float(np.sum(square))
            square *= centred
            alpha[k] = alpha[0] + float(np.sum(square)) / norms2[k]
        before, last = last, column.copy() if k < degree else column
    for k in range(1, degree + 1):
        out[:, k - 1] /= np.sqrt(norms2[k])
    if learning:
        state |= {"alpha": alpha, "norms2": norms2}
    return out


def _by_degree(found: Mapping[Any, float]) -> dict[int, float]:
    return {int(k): float(v) for k, v in found.items()}
