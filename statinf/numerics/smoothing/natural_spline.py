"""Natural cubic splines in coordinates in which their penalty is the identity.

A natural cubic spline with k knots is given by its values b at them, its second derivatives there solve B m = D b with
tridiagonal B (Green and Silverman 1994, 2.1), and the integral of its squared second derivative is b'D'B^{-1}D b. With B = L L'
and T = D'(D D')^{-1} L the columns T span all that is curved, with the identity as penalty; a straight line is the rest.
"""

from __future__ import annotations

import numpy as np


def curved_directions(knots: np.ndarray) -> np.ndarray:
    """T, shape (k, k - 2): values at the knots of splines whose penalty matrix is the identity.

    Parameters
    ----------
    knots : ndarray, shape (k,)
        Ascending, at least three.
    """
    second, gram = _bands(knots)
    return second.T @ np.linalg.solve(second @ second.T, np.linalg.cholesky(gram))


def natural_columns(x: np.ndarray, knots: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Columns of the splines whose values at the knots are `directions`; straight lines beyond the outer knots.

    Parameters
    ----------
    x : ndarray, shape (n,)
    knots : ndarray, shape (k,)
    directions : ndarray, shape (k, m)

    Returns
    -------
    ndarray, shape (n, m)
    """
    second, gram = _bands(knots)
    bends = np.zeros_like(directions)
    bends[1:-1] = np.linalg.solve(gram, second @ directions)
    at = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    width = (knots[at + 1] - knots[at])[:, None]
    inside = np.clip(x, knots[0], knots[-1])
    left, right = (knots[at + 1] - inside)[:, None] / width, (inside - knots[at])[:, None] / width
    columns = left * directions[at] + right * directions[at + 1]
    columns += width**2 / 6.0 * ((left**3 - left) * bends[at] + (right**3 - right) * bends[at + 1])
    beyond = (x - inside)[:, None]
    outside = np.flatnonzero(beyond[:, 0])
    if len(outside):
        # At an outer knot the second derivative is zero, and only the neighbour's counts for the slope.
        rise = (directions[at + 1] - directions[at]) / width
        slope = rise + width / 6.0 * np.where(beyond < 0.0, -bends[at + 1], bends[at])
        columns[outside] += (beyond * slope)[outside]
    return columns


def _bands(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D (k - 2, k), which takes values to jumps of slope, and the Gram matrix B (k - 2, k - 2) of hat functions."""
    h, m = np.diff(knots), len(knots) - 2
    second, gram, i = np.zeros((m, m + 2)), np.zeros((m, m)), np.arange(m)
    second[i, i], second[i, i + 1], second[i, i + 2] = 1.0 / h[:-1], -1.0 / h[:-1] - 1.0 / h[1:], 1.0 / h[1:]
    gram[i, i] = (h[:-1] + h[1:]) / 3.0
    gram[i[:-1], i[1:]] = gram[i[1:], i[:-1]] = h[1:-1] / 6.0
    return second, gram
