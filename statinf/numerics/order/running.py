"""Ranks and order statistics among the numbers that came before, for all positions of a series at once.

A wavelet tree (Grossi, Gupta and Vitter, 2003; laid out level by level as in Claude, Navarro and Ordóñez, 2015, Information
Systems 47) holds the bits of the members' ranks, from the highest on, each level in the order that the bits above give.
Counting and selecting within any stretch of the series then take one step per bit, on arrays of questions. The answers are
counts and members of the series: they do not depend on how a series is cut into pieces.

Ranks are a permutation, ties in the order of time. The node of all ranks that share the bits above starts at the least of
them, and all nodes before it are full, half of their members with the next bit clear: where a node starts need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RunningOrder:
    """A series, ready for questions about its stretches.

    Attributes
    ----------
    sorted : ndarray, shape (n,)
        The members of the series in the order of their size.
    zeros : tuple of ndarray, shape (n + 1,)
        Per bit from the highest on, how many of the first members at that level have it clear.
    before : ndarray of int, shape (n,)
        How many earlier members are at most as large as each member.
    ties : ndarray of int, shape (n,)
        How many earlier members are equal to it.
    """

    sorted: np.ndarray
    zeros: tuple[np.ndarray, ...]
    before: np.ndarray
    ties: np.ndarray

    @classmethod
    def of(cls, series: np.ndarray) -> RunningOrder:
        """Build it in n log(n) steps; `series` has shape (n,) and no NaN."""
        n = len(series)
        # Half the memory, and with it half the time, for any series that fits into it.
        kind = np.int32 if n < 1 << 30 else np.int64
        order, place = np.argsort(series), np.arange(n, dtype=kind)
        ordered = series[order]
        if (ordered[1:] == ordered[:-1]).any():
            order = np.argsort(series, kind="stable")
        level, before = np.empty(n, kind), np.empty(n, kind)
        level[order] = place
        count, zeros = np.zeros(n, kind), []
        for bit in range(max(n - 1, 1).bit_length() - 1, -1, -1):
            # Products instead of choices: which way a member goes cannot be foretold, and choosing is slow.
            one = (level >> bit) & 1
            passed = np.zeros(n + 1, kind)
            np.cumsum(one ^ 1, out=passed[1:], dtype=kind)
            zeros.append(passed)
            node = level & -(2 << bit)
            # Members of the node that come before this one and have the bit clear; a member that has it set is above them.
            earlier = passed[:-1] - (node >> 1)
            count += one * earlier
            to = (node + earlier + one * (place - node - 2 * earlier + (1 << bit))).astype(np.intp)
            level, count = _moved(level, to), _moved(count, to)
        before[order] = count
        return cls(ordered, tuple(zeros), before, _earlier_ties(ordered, order, place))

    def below(self, values: np.ndarray, start: np.ndarray, stop: np.ndarray, *, ties: bool = False) -> np.ndarray:
        """How many members of each stretch are below a value, or at most it where `ties`.

        Parameters
        ----------
        values : ndarray, shape (m,)
        start, stop : ndarray of int, shape (m,)
            The stretch of each value: positions start, ..., stop - 1.
        ties : bool

        Returns
        -------
        ndarray of int, shape (m,)
        """
        n, kind = len(self.sorted), self.before.dtype
        rank = np.searchsorted(self.sorted, values, side="right" if ties else "left").astype(kind)
        every = rank >= n
        whole = stop - start
        rank[every] = max(n - 1, 0)
        low, high = np.asarray(start, kind), np.asarray(stop, kind)
        count = np.zeros(len(rank), kind)
        for depth, zeros in enumerate(self.zeros):
            bit = len(self.zeros) - 1 - depth
            node = rank & -(2 << bit)
            half, one = node >> 1, (rank >> bit) & 1
            left = zeros.take((node + low).astype(np.intp), mode="clip") - half
            right = zeros.take((node + high).astype(np.intp), mode="clip") - half
            count += one * (right - left)
            low, high = left + one * (low - 2 * left), right + one * (high - 2 * right)
        return np.where(every, whole, count)

    def smallest(self, k: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """The k-th smallest member of each stretch, counted from 1; -inf for k < 1, inf for k above its length.

        Parameters
        ----------
        k, start, stop : ndarray of int, shape (m,)

        Returns
        -------
        ndarray, shape (m,)
        """
        out = np.where(k < 1, -np.inf, np.inf)
        able = (k >= 1) & (k <= stop - start)
        if not able.all():
            out[able] = self.smallest(k[able], start[able], stop[able])
            return out
        kind = self.before.dtype
        rest, rank, high = (k - 1).astype(kind), np.zeros(len(k), kind), np.asarray(stop, kind)
        # Of stretches from the first member on the lower end stays at the start of its node.
        low = np.asarray(start, kind) if start.any() else None
        for depth, zeros in enumerate(self.zeros):
            half = rank >> 1
            right = inside = zeros[rank + high] - half
            if low is not None:
                left = zeros[rank + low] - half
                inside = right - left
            one = rest >= inside
            if low is not None:
                low = np.where(one, low - left, left)
            rest = rest - inside * one
            high = np.where(one, high - right, right)
            rank = rank + (one.astype(kind) << (len(self.zeros) - 1 - depth))
        return self.sorted[rank] if len(rank) else out


def _earlier_ties(ordered: np.ndarray, order: np.ndarray, place: np.ndarray) -> np.ndarray:
    """How many earlier members equal each member (n,), from the sorted members and their stable order."""
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    ties = np.zeros_like(place)
    if not first.all():
        start = np.flatnonzero(first).astype(place.dtype)
        ties[order] = place - np.repeat(start, np.diff(np.append(start, len(ordered))))
    return ties


def _moved(values: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Values (n,) at other places."""
    out = np.empty_like(values)
    out[to] = values
    return out
