"""Ranks and order statistics among the numbers that came before, for all positions of a series at once.

A wavelet matrix (Claude, Navarro and Ordóñez, 2015, Information Systems 47) holds the bits of the numbers' ranks, from the
highest on, each level in the order that the bits above give. Counting and selecting within any stretch of the series
then take one step per bit, on arrays of questions. The answers are counts and members of the series: they do not depend
on how a series is cut into pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RunningOrder:
    """A series, ready for questions about its stretches.

    Attributes
    ----------
    sorted : ndarray, shape (u,)
        The distinct numbers of the series.
    zeros : tuple of ndarray, shape (n + 1,)
        Per bit from the highest on, how many of the first members at that level have it clear.
    """

    sorted: np.ndarray
    zeros: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, series: np.ndarray) -> RunningOrder:
        """Build it in n log(n) steps; `series` has shape (n,) and no NaN."""
        distinct, rank = np.unique(series, return_inverse=True)
        # Half the memory, and with it half the time, for any series that fits into it.
        kind = np.int32 if len(rank) < np.iinfo(np.int32).max else np.int64
        level = rank.reshape(-1).astype(kind)
        zeros = []
        for bit in range(max(len(distinct) - 1, 1).bit_length() - 1, -1, -1):
            clear = (level >> bit) & 1 == 0
            counts = np.zeros(len(level) + 1, kind)
            np.cumsum(clear, out=counts[1:])
            zeros.append(counts)
            level = np.concatenate([level[clear], level[~clear]])
        return cls(distinct, tuple(zeros))

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
        kind = self.zeros[0].dtype
        rank = np.asarray(np.searchsorted(self.sorted, values, side="right" if ties else "left"), kind)
        every = rank >= len(self.sorted)
        whole = stop - start
        start, stop = np.asarray(start, kind), np.asarray(stop, kind)
        count = np.zeros(len(rank), kind)
        for depth, zeros in enumerate(self.zeros):
            left, right = zeros[start], zeros[stop]
            ones = (rank >> (len(self.zeros) - 1 - depth)) & 1 == 1
            count += np.where(ones, right - left, 0)
            start = np.where(ones, zeros[-1] + start - left, left)
            stop = np.where(ones, zeros[-1] + stop - right, right)
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
        low, high = k < 1, k > stop - start
        kind = self.zeros[0].dtype
        start, stop = np.asarray(start, kind), np.asarray(stop, kind)
        left_over = np.asarray(np.where(low | high, 1, k) - 1, kind)
        rank = np.zeros(len(k), kind)
        for depth, zeros in enumerate(self.zeros):
            left, right = zeros[start], zeros[stop]
            ones = left_over >= right - left
            rank |= np.where(ones, 1 << (len(self.zeros) - 1 - depth), 0)
            left_over = np.where(ones, left_over - (right - left), left_over)
            start = np.where(ones, zeros[-1] + start - left, left)
            stop = np.where(ones, zeros[-1] + stop - right, right)
        # A stretch without members leads anywhere; its k is above its length.
        found = self.sorted[np.minimum(rank, len(self.sorted) - 1)] if len(self.sorted) else np.zeros(len(k))
        return np.where(low, -np.inf, np.where(high, np.inf, found))
