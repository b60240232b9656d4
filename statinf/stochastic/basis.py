"""Coordinates in which the rows of a stream are worked through.

The recursion runs on columns that the first rows made orthonormal, constant ones first: where a column stands and in
which unit it is measured are gone before the first step, and the coefficients are carried back at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_DEPENDENT = 1e-9
_ROUNDING = 64.0 * np.finfo(float).eps


@dataclass(frozen=True)
class Basis:
    """Columns `x @ transform` that are orthonormal in the mean over the rows they were made from.

    Attributes
    ----------
    transform : ndarray, shape (d, d)
    tolerance : ndarray, shape (d,)
        A value below it is rounding. Columns that depend on others so far are what is left of them, which is zero
        up to rounding.
    """

    transform: np.ndarray
    tolerance: np.ndarray


def whiten(x: np.ndarray) -> Basis:
    """Gram-Schmidt with reorthogonalisation on the rows of x, constant columns first.

    Parameters
    ----------
    x : ndarray, shape (m, d)

    Returns
    -------
    Basis
    """
    m, d = x.shape
    constant = (np.ptp(x, axis=0) == 0.0) & (x[0] != 0.0)
    size = np.sqrt(np.mean(x * x, axis=0))
    spread = np.std(x, axis=0) if constant.any() else size
    spread = np.where(constant, size, spread)
    noise = _DEPENDENT * spread + _ROUNDING * size
    transform, tolerance, q = np.zeros((d, d)), np.zeros(d), np.zeros((m, d))
    used: list[int] = []
    for j in np.argsort(~constant, kind="stable"):
        rest, line = x[:, j].copy(), np.eye(d)[j]
        for _ in range(2):
            part = q[:, used].T @ rest / m
            rest, line = rest - q[:, used] @ part, line - transform[:, used] @ part
        left = float(np.sqrt(np.mean(rest * rest)))
        unit = left if left > noise[j] else float(max(spread[j], size[j])) or 1.0
        transform[:, j], tolerance[j] = line / unit, noise[j] / unit
        if left > noise[j]:
            q[:, j] = rest / unit
            used.append(int(j))
    return Basis(transform, tolerance)
