"""Exact order statistics of numbers that are computed block by block, in bounded memory.

A pass counts how many numbers lie below a bracket, keeps those inside it as long as they are few, and counts them in bins
otherwise; the next bracket is the bin that holds the rank. The first bracket comes from the first block, so that one pass
is enough where that block is like the others, and three or four in any case: bins are equal in the order of the bits of the
numbers, of which each pass settles twelve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.passes.design import PassDesign

KEPT = 1 << 20
"""BlockNumbers inside a bracket that are kept."""
_BINS = 1 << 12
_SIGN, _ALL = np.uint64(1 << 63), np.uint64((1 << 64) - 1)
_MOST_PASSES = 12

BlockNumbers = Callable[[Design], np.ndarray]
"""From the design of a block to numbers (m, tails), those of some of its rows."""


def _keys(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of floats, which both have."""
    bits = (values + 0.0).view(np.uint64)
    return bits ^ np.where(bits >= _SIGN, _ALL, _SIGN)


def _value(key: int) -> float:
    bits = np.uint64(key)
    return float(np.array([bits ^ (_SIGN if bits >= _SIGN else _ALL)], dtype=np.uint64).view(np.float64)[0])


@dataclass(frozen=True)
class _Bracket:
    """Keys from `low` to `high`, both within."""

    low: int
    high: int

    @property
    def shift(self) -> int:
        """Bits that all keys of a bin may differ in."""
        return max(0, (self.high - self.low).bit_length() - _BINS.bit_length() + 1)


@dataclass(frozen=True)
class _Counted:
    """Of one tail: how many numbers there are, how many below, in each bin, and the keys inside while they are few."""

    count: int
    below: int
    bins: np.ndarray
    inside: tuple[np.ndarray, ...] | None
    size: int

    def plus(self, other: _Counted) -> _Counted:
        size = self.size + other.size
        few = self.inside is not None and other.inside is not None and size <= KEPT
        inside = (*(self.inside or ()), *(other.inside or ())) if few else None
        return _Counted(self.count + other.count, self.below + other.below, self.bins + other.bins, inside, size)


def count_rows(made: PassDesign, numbers: BlockNumbers) -> int:
    """How many numbers there are; one pass."""
    found: Any = made.total(partial(_length, numbers), "counting")
    return 0 if found is None else int(found)


def _length(numbers: BlockNumbers, block: Design) -> int:
    return len(numbers(block))


def order_statistics(
    made: PassDesign, numbers: BlockNumbers, ranks: Callable[[int], Sequence[int]]
) -> tuple[np.ndarray, int]:
    """The exact k-th smallest number of each tail.

    Parameters
    ----------
    made : PassDesign
    numbers : callable
        Picklable; see `BlockNumbers`.
    ranks : callable
        From how many numbers there are to the rank of each tail, from 1; one beyond their number gives infinity.

    Returns
    -------
    values : ndarray, shape (tails,)
    count : int
        BlockNumbers of each tail.

    Raises
    ------
    DataError
        If a number is NaN.
    """
    brackets = _first_brackets(made, numbers, ranks)
    values: list[float | None] = [None] * len(brackets)
    count = 0
    for _ in range(_MOST_PASSES):
        found: list[_Counted] | None = made.total(partial(_count, numbers, brackets), "order statistics")
        if found is None:
            return np.full(len(brackets), np.inf), 0
        count = found[0].count
        wanted = ranks(count)
        for j, (one, bracket, k) in enumerate(zip(found, brackets, wanted, strict=True)):
            if values[j] is None:
                values[j], brackets[j] = _settled(one, bracket, k)
        if all(v is not None for v in values):
            return np.array(values, dtype=np.float64), count
    raise DataError("the data changed between passes: no order statistic was found; fit a copy that nobody writes to.")


def _settled(found: _Counted, bracket: _Bracket, k: int) -> tuple[float | None, _Bracket]:
    """The number, or the next bracket."""
    if k > found.count:
        return np.inf, bracket
    if k <= found.below:
        return None, _Bracket(0, bracket.low - 1)
    place = k - found.below
    if place > found.size:
        return None, _Bracket(bracket.high + 1, (1 << 64) - 1)
    if found.inside is not None:
        keys = np.concatenate(found.inside)
        return _value(int(np.partition(keys, place - 1)[place - 1])), bracket
    ends = np.cumsum(found.bins)
    at = int(np.searchsorted(ends, place))
    low = bracket.low + (at << bracket.shift)
    high = min(bracket.high, low + (1 << bracket.shift) - 1)
    return (_value(low), bracket) if low == high else (None, _Bracket(low, high))


def _first_brackets(made: PassDesign, numbers: BlockNumbers, ranks: Callable[[int], Sequence[int]]) -> list[_Bracket]:
    """Four standard errors of the first block's ranks about where each rank would be there."""
    block = made.head()
    some = np.empty((0, 1)) if block is None else numbers(block)
    n = len(some)
    if not n:
        tails = some.shape[1]
        return [_Bracket(0, (1 << 64) - 1) for _ in range(tails)]
    out = []
    for column, k in zip(np.sort(some, axis=0).T, ranks(n), strict=True):
        share = min(k / n, 1.0)
        margin = 4.0 * np.sqrt(share * (1.0 - share) * n) + 2.0
        low, high = int(max(0, np.floor(k - margin))), int(min(n - 1, np.ceil(k + margin)))
        # A first block that ends inside the bracket says nothing of what lies beyond.
        first = 0 if low == 0 else int(_keys(column[low : low + 1])[0])
        last = (1 << 64) - 1 if high == n - 1 else int(_keys(column[high : high + 1])[0])
        out.append(_Bracket(min(first, last), max(first, last)))
    return out


def _count(numbers: BlockNumbers, brackets: Sequence[_Bracket], block: Design) -> list[_Counted]:
    values = np.asarray(numbers(block), dtype=np.float64)
    if np.isnan(values).any():
        raise DataError(
            f"{int(np.isnan(values).any(axis=1).sum())} numbers whose order is asked for are NaN in a block."
        )
    return [_count_one(np.ascontiguousarray(v), b) for v, b in zip(values.T, brackets, strict=True)]


def _count_one(values: np.ndarray, bracket: _Bracket) -> _Counted:
    keys = _keys(values)
    low, high = np.uint64(bracket.low), np.uint64(bracket.high)
    above = keys >= low
    inside = keys[above & (keys <= high)]
    bins = np.bincount(((inside - low) >> np.uint64(bracket.shift)).astype(np.intp), minlength=_BINS)
    kept = (inside,) if len(inside) <= KEPT else None
    return _Counted(len(values), len(values) - int(np.count_nonzero(above)), bins, kept, len(inside))
