"""Uniform numbers that belong to rows: a row keeps its draw in another order and beside other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import generator


def row_draws(index: Any, n: int, seed: int, stream: int) -> np.ndarray:
    """One uniform number (n,) per row, made from the row's label.

    Parameters
    ----------
    index : pandas.Index or None
        Labels of the rows; their positions for None. Rows of the same label have independent draws, in their order.
    n : int
    seed, stream : int
    """
    labels = np.arange(n, dtype=np.uint64) if index is None else _numbers(index)
    start = generator(seed, stream).integers(2**64, size=2, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = _mixed(labels + start[0])
        state = _mixed(state + start[1] * (_occurrence(labels) + np.uint64(1)))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _numbers(index: Any) -> np.ndarray:
    """Labels as numbers: whole ones as they are, so that the default index is the position."""
    if index.dtype.kind in "iu":
        return np.asarray(index).astype(np.int64).view(np.uint64)
    from pandas.util import hash_pandas_object

    return hash_pandas_object(index, index=False).to_numpy()


def _occurrence(labels: np.ndarray) -> np.ndarray:
    """How many earlier rows have the same label."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))[: len(labels)]
    counts = np.diff(np.append(first, len(labels)))
    out = np.empty(len(labels), np.uint64)
    out[order] = np.arange(len(labels), dtype=np.uint64) - np.repeat(first, counts).astype(np.uint64)
    return out


def _mixed(state: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit depends on every other."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
