"""What the target-shift methods share: both samples, bandwidths, product kernels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, NumericalWarning

FEWEST_VALUES = 10
OUTSIDE_SHARE = 0.2


@dataclass(frozen=True)
class Pair:
    """A labelled source and an unlabelled target.

    Attributes
    ----------
    xs, xt : ndarray, shape (n, p) and (m, p)
    y : ndarray, shape (n,)
    ws, wt : ndarray, shape (n,) and (m,)
    names : tuple of str
    outcome : str
    """

    xs: np.ndarray
    xt: np.ndarray
    y: np.ndarray
    ws: np.ndarray
    wt: np.ndarray
    names: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class Solution:
    """An estimated ratio of outcome densities.

    Attributes
    ----------
    rule : object
        Its `at(y)` is omega at outcomes y.
    raw : ndarray, shape (n,)
        omega at the source outcomes before negative values are set to zero.
    settings, facts : mapping
    """

    rule: Any
    raw: np.ndarray
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]


def column_bandwidths(x: np.ndarray) -> np.ndarray:
    """Silverman's rule, 1.06 sd n^(-1/(p + 4)) a column; n^(-1/5) for one column."""
    n, p = x.shape
    return 1.06 * x.std(axis=0, ddof=1) * n ** (-1.0 / (p + 4))


def product_kernel(x: np.ndarray, centers: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """``exp(-sum_k (x_ik - c_jk)^2 / (2 h_k^2))``, shape (n, m)."""
    from statinf.numerics.kernels.distances import gaussian

    return gaussian(x / bandwidth, centers / bandwidth, 2.0)


def check_pair(pair: Pair) -> None:
    """Refuse outcomes that are classes and columns without spread; warn where target features lie far outside.

    Raises
    ------
    DataError
    """
    values = len(np.unique(pair.y))
    if values < FEWEST_VALUES:
        raise DataError(
            f"the outcome '{pair.outcome}' has {values} values; a continuous target shift needs at least {FEWEST_VALUES}. "
            "For classes compare their shares instead."
        )
    if len(pair.xs) < 10 or len(pair.xt) < 2:
        raise DataError(f"{len(pair.xs)} source and {len(pair.xt)} target rows are too few for kernel densities.")
    for what, x in (("source", pair.xs), ("target", pair.xt)):
        flat = [n for n, s in zip(pair.names, np.ptp(x, axis=0), strict=True) if s == 0]
        if flat:
            raise DataError(f"constant in the {what}: {', '.join(map(repr, flat))}; a kernel density needs spread.")
    reach = 3.0 * column_bandwidths(pair.xs)
    outside = ((pair.xt < pair.xs.min(axis=0) - reach) | (pair.xt > pair.xs.max(axis=0) + reach)).any(axis=1)
    if outside.all():
        raise DataError(
            f"all {len(outside)} target rows lie more than three bandwidths outside the source's range of "
            f"{', '.join(map(repr, pair.names))}; a shift of '{pair.outcome}' alone cannot have made them."
        )
    if outside.mean() > OUTSIDE_SHARE:
        warnings.warn(
            f"{int(outside.sum())} of {len(outside)} target rows lie more than three bandwidths outside the source's range of "
            f"{', '.join(map(repr, pair.names))}: a shift of '{pair.outcome}' alone cannot have made them.",
            NumericalWarning,
            stacklevel=4,
        )
