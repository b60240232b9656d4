"""Shares of the rows that do not depend on blocks, order or workers: by a hash of a row's values, or of its group's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mixed(bits: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of the answer depends on every bit of (n,) uint64."""
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(_FIRST)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(_SECOND)
    return bits ^ (bits >> np.uint64(31))


def row_hashes(columns: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """A hash of the values of each row, shape (n,) uint64, from columns of numbers (n,) or (n, p)."""
    n = len(columns[0])
    out = np.full(n, _mixed(np.array([seed + 1], dtype=np.uint64))[0], dtype=np.uint64)
    for column in columns:
        for one in column.reshape(n, -1).T:
            # Adding zero makes one number of the two zeros.
            bits = (np.ascontiguousarray(one, dtype=np.float64) + 0.0).view(np.uint64)
            with np.errstate(over="ignore"):
                out = _mixed((out + np.uint64(_GOLDEN)) ^ _mixed(bits))
    return out


def value_hashes(values: Any, seed: int) -> np.ndarray:
    """A hash of each of the values (n,) of a column of keys, shape (n,) uint64."""
    from pandas.util import hash_array

    made = hash_array(np.asarray(values))
    return _mixed(made ^ _mixed(np.array([seed + 1], dtype=np.uint64))[0])


def shares(hashes: np.ndarray, count: int) -> np.ndarray:
    """Which of `count` shares of about the same size each hash falls into, shape (n,)."""
    return (hashes % np.uint64(count)).astype(np.intp)


def units(hashes: np.ndarray) -> np.ndarray:
    """Hashes as numbers in [0, 1), shape (n,)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
