"""B-splines and natural cubic splines on given knots, with R's rules for what lies beyond the outer knots.

A B-spline goes on as the polynomial of its outermost piece (de Boor 1978, chapter X), a natural spline as a straight line.
"""

from __future__ import annotations

import numpy as np

from statinf.backend.threads import map_threads, row_blocks

_ROWS = 1 << 14
_FEW = 16
_PARALLEL_FROM = 100_000


def padded(inner: np.ndarray, low: float, high: float, degree: int) -> np.ndarray:
    """All knots: the outer ones as often as the order of the spline."""
    return np.concatenate([np.full(degree + 1, low), np.sort(inner), np.full(degree + 1, high)])


def bspline_columns(x: np.ndarray, knots: np.ndarray, degree: int, order: int = 0) -> np.ndarray:
    """The columns of a B-spline basis, or of its derivative of some order.

    Parameters
    ----------
    x : ndarray, shape (n,)
    knots : ndarray, shape (k,)
        Ascending, the outer ones `degree + 1` times.
    degree : int
    order : int
        Of the derivative.

    Returns
    -------
    ndarray, shape (n, k - degree - 1)
        Column-major.
    """
    out = np.zeros((len(x), len(knots) - degree - 1), order="F")
    pieces = [p for p in range(degree, len(knots) - degree - 1) if knots[p] < knots[p + 1]]
    polynomials = {p: _polynomials(p, knots, degree, order) for p in pieces}

    def write(rows: slice) -> None:
        part, target = x[rows], out[rows]
        # Values beyond the outer knots belong to the outermost pieces.
        number = _counted(part, knots[pieces[1:]])
        for i, p in enumerate(pieces):
            here = np.flatnonzero(number == i) if len(pieces) > 1 else np.arange(len(part))
            share = (part[here] - knots[p]) / (knots[p + 1] - knots[p])
            for j, (*lower, highest) in enumerate(polynomials[p]):
                values = np.full(len(share), highest)
                for coefficient in lower[::-1]:
                    values *= share
                    values += coefficient
                target[here, p - degree + j] = values

    map_threads(write, row_blocks(len(x), 1, _ROWS), parallel=len(x) > _PARALLEL_FROM)
    return out


def _counted(x: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """How many of the inner knots are at or below each value."""
    if len(inner) > _FEW:
        return np.searchsorted(inner, x, "right")
    number = np.zeros(len(x), np.int8)
    for knot in inner:
        number += x >= knot
    return number


def _polynomials(piece: int, knots: np.ndarray, degree: int, order: int) -> np.ndarray:
    """Coefficients (degree + 1, powers) of the splines of one piece, as polynomials of the share of it that lies to the left."""
    at, start = np.array([piece]), knots[[piece]]
    width, factor, columns = knots[piece + 1] - knots[piece], 1.0, []
    for k in range(degree - order + 1):
        columns.append(np.concatenate(_local(start, at, knots, degree, order + k)) * factor)
        factor *= width / (k + 1)
    return np.column_stack(columns)


def _local(x: np.ndarray, piece: np.ndarray, knots: np.ndarray, degree: int, order: int) -> list[np.ndarray]:
    """The degree + 1 splines that are not zero on each value's piece."""
    values = [np.ones(len(x))]
    for d in range(1, degree - order + 1):
        longer = [np.zeros(len(x)) for _ in range(d + 1)]
        for j in range(d):
            left, right = knots[piece - d + 1 + j], knots[piece + 1 + j]
            share = values[j] / (right - left)
            longer[j] += (right - x) * share
            longer[j + 1] = (x - left) * share
        values = longer
    for d in range(degree - order + 1, degree + 1):
        longer = [np.zeros(len(x)) for _ in range(d + 1)]
        for j in range(d):
            share = d * values[j] / (knots[piece + 1 + j] - knots[piece - d + 1 + j])
            longer[j] -= share
            longer[j + 1] = share
        values = longer
    return values


def natural_rotation(knots: np.ndarray, intercept: bool) -> np.ndarray:
    """The combinations of cubic B-splines whose second derivative is zero at both outer knots.

    Returns
    -------
    ndarray, shape (k - 4, m)
        The first row is zero without an intercept.
    """
    # By the recursion itself, in which what is zero is exactly so: the signs of a rotation hang on it.
    pieces = np.array([np.searchsorted(knots, knots[0], "right") - 1, np.searchsorted(knots, knots[-1]) - 1])
    bends = np.zeros((2, len(knots) - 4))
    for j, values in enumerate(_local(knots[[0, -1]], pieces, knots, 3, 2)):
        bends[[0, 1], pieces - 3 + j] = values
    bends = bends if intercept else bends[:, 1:]
    full = np.linalg.qr(bends.T, mode="complete")[0][:, 2:]
    return full if intercept else np.vstack([np.zeros((1, full.shape[1])), full])


def natural_spline_columns(x: np.ndarray, knots: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The columns of a natural cubic spline, straight lines beyond the outer knots.

    Parameters
    ----------
    x : ndarray, shape (n,)
    knots : ndarray, shape (k,)
        Ascending, the outer ones four times.
    rotation : ndarray, shape (k - 4, m)
        From `natural_rotation`.

    Returns
    -------
    ndarray, shape (n, m)
    """
    low, high = float(knots[0]), float(knots[-1])
    basis = bspline_columns(np.clip(x, low, high), knots, 3)
    out = np.empty((len(x), rotation.shape[1]), order="F")
    np.matmul(rotation.T, basis.T, out=out.T)
    for end, beyond in ((low, x < low), (high, x > high)):
        if beyond.any():
            slope = bspline_columns(np.array([end]), knots, 3, order=1) @ rotation
            out[beyond] += (x[beyond, None] - end) * slope
    return out
