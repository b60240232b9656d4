"""Which kernel functions are balanced: their anchor points among the rows.

"random": drawn without replacement. "worst": rows whose weight departs most from what stands for them, the largest coefficients
of the kernel function that is balanced worst. "adaptive": the largest coefficients of the outcome's regression on kernel
functions. "all": every distinct row.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import generator, row_blocks
from statinf.balancing.missing.kernels import RowKernel
from statinf.errors import DataError, OptionError
from statinf.numerics.order.content import content_order

ANCHORS = ("random", "worst", "adaptive", "all")
MOST = 2000
"""Distinct rows up to which all of them can be anchors."""
_CANDIDATES = 600
_RIDGE = 0.1


def choose_anchors(
    how: str,
    count: int,
    z: np.ndarray,
    kernel: RowKernel,
    observed: np.ndarray,
    s: np.ndarray,
    base: np.ndarray,
    error: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Positions of the anchors, no two of them the same point, shape (J,).

    Parameters
    ----------
    how : str
        One of `ANCHORS`.
    count : int
    z : ndarray, shape (n, p)
        Standardised covariates.
    kernel : RowKernel
    observed : ndarray of bool, shape (n,)
    s : ndarray, shape (n,)
        Sampling weights.
    base : ndarray, shape (n,)
        Weights before balancing, zero on rows without an outcome, with the sum of `s`.
    error : ndarray, shape (n,)
        What "adaptive" projects; read on observed rows.
    seed : int
    """
    distinct = distinct_rows(z, observed, s)
    if how == "all":
        if len(distinct) > MOST:
            raise OptionError(
                f"anchors='all' is for at most {MOST} distinct rows of covariates, not {len(distinct)}; use anchors='random'."
            )
        return distinct
    if count > int(observed.sum()):
        raise DataError(
            f"n_anchors={count} is more than the {int(observed.sum())} rows with an outcome; give at most that many."
        )
    if how == "random":
        count = min(count, len(distinct))
        return distinct[np.sort(generator(seed).choice(len(distinct), count, replace=False))]
    if how == "worst":
        found, place = distinct, np.abs(base - s)[distinct]
    else:
        found = distinct
        if len(distinct) > _CANDIDATES:
            found = distinct[np.sort(generator(seed).choice(len(distinct), _CANDIDATES, replace=False))]
        place = np.abs(_projected(z, kernel, observed, base, error, found))
    return found[np.sort(np.argsort(-place, kind="stable")[:count])]


def distinct_rows(z: np.ndarray, observed: np.ndarray, s: np.ndarray) -> np.ndarray:
    """One position per distinct point, in the order of their contents."""
    order = content_order(*z.T, observed, s)
    sorted_rows = z[order]
    new = np.append(True, (sorted_rows[1:] != sorted_rows[:-1]).any(axis=1))
    return order[new]


def _projected(
    z: np.ndarray, kernel: RowKernel, observed: np.ndarray, base: np.ndarray, error: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Ridge coefficients of the error on kernel functions at candidates, under the weights, shape (len(at),)."""
    rows = np.flatnonzero(observed)
    v = base[rows] * (len(base) / base.sum())
    e = error[rows] - float(v @ error[rows] / v.sum())
    gram, right = _RIDGE * np.eye(len(at)), np.zeros(len(at))
    for part in row_blocks(len(rows), len(at)):
        columns = kernel.columns(z[rows[part]], z[at])
        weighted = columns * v[part][:, None]
        gram += weighted.T @ columns
        right += weighted.T @ e[part]
    return np.linalg.solve(gram, right)
