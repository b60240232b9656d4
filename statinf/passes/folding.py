"""Shares of the rows that do not depend on blocks, order or workers: by a hash of a row's values, or of its group's.

Equal rows would share a fold, and where rows repeat whole values of the outcome would be left out of it: rows of such tables are
told apart by their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from statinf.formula.design import Design
    from statinf.passes.design import PassDesign

_LOOKED_AT = 20_000
"""About so many rows are compared with one another."""
_FEW = 0.01
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


@dataclass(frozen=True)
class RowHash:
    """A hash of each row of a block: its outcome, its columns and, where rows repeat, its place in the table."""

    seed: int
    places: bool = False

    def __call__(self, block: Design) -> np.ndarray:
        """Hashes (n,)."""
        values = [block.y, *(part.rest.values for part in block.parts)]
        return row_hashes([*values, block.start + block.rows] if self.places else values, self.seed)


@dataclass(frozen=True)
class _Repeats:
    """Different hashes, and how many rows have each."""

    hashes: np.ndarray
    counts: np.ndarray

    def plus(self, other: _Repeats) -> _Repeats:
        hashes, at = np.unique(np.concatenate([self.hashes, other.hashes]), return_inverse=True)
        return _Repeats(hashes, np.bincount(at, weights=np.concatenate([self.counts, other.counts])))


def told_apart(made: PassDesign, seed: int) -> tuple[PassDesign, RowHash]:
    """A table's rows with hashes that tell them apart: by their values, or by their places too where values repeat; a pass."""
    plain = RowHash(seed)
    share = min(1.0, _LOOKED_AT / max(made.nobs, 1))
    found: _Repeats | None = made.total(partial(_looked_at, plain, share), "comparing rows")
    # Few different rows are all looked at, or none of them.
    rows = 0.0 if found is None else found.counts.sum()
    if found is not None and rows - len(found.hashes) <= _FEW * rows:
        return made, plain
    return replace(made, numbered=True), RowHash(seed, places=True)


def _looked_at(hashes: RowHash, share: float, block: Design) -> _Repeats | None:
    every = hashes(block)
    chosen = every[units(_mixed(every)) < share]
    return _Repeats(*np.unique(chosen, return_counts=True)) if len(chosen) else None
