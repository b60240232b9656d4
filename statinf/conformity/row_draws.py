"""Uniform numbers that belong to rows: a row keeps its draw in another order, beside other rows and under other labels."""

from __future__ import annotations

import numpy as np

from statinf.backend import generator

_GRID = 2.0**20
"""Probabilities are told apart in steps of its inverse: rounding must not change a draw."""


def row_draws(P: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """One uniform number (n,) per row, made from its class probabilities.

    Parameters
    ----------
    P : ndarray, shape (n, K)
        Rows that are alike have independent draws, in their order.
    seed, stream : int
    """
    start = generator(seed, stream).integers(2**64, size=2, dtype=np.uint64)
    state = np.full(len(P), start[0], np.uint64)
    for column in P.T:
        state = _mixed(state ^ np.rint(column * _GRID).astype(np.uint64))
    with np.errstate(over="ignore"):
        state = _mixed(state + start[1] * (_occurrence(state) + np.uint64(1)))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


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
