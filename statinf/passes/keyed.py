"""Sums by group where there are many groups, of which a block has some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KeyedSums:
    """Sums by group, in pieces that are put together when they have grown.

    Attributes
    ----------
    keys : tuple of ndarray of int, shape (groups of the piece,)
    sums : tuple of ndarray, shape (groups of the piece, q)
    settled : int
        Groups after the pieces were last put together.
    """

    keys: tuple[np.ndarray, ...]
    sums: tuple[np.ndarray, ...]
    settled: int = 0

    @classmethod
    def of(cls, keys: np.ndarray, rows: np.ndarray) -> KeyedSums:
        """Of one block: keys (n,), each of them from 0, and rows (n, q)."""
        found, place = np.unique(keys, return_inverse=True)
        sums = np.stack([np.bincount(place, weights=column, minlength=len(found)) for column in rows.T], axis=1)
        return cls((found,), (sums,), len(found))

    def plus(self, other: KeyedSums) -> KeyedSums:
        """Those of both."""
        joined = KeyedSums((*self.keys, *other.keys), (*self.sums, *other.sums), max(self.settled, other.settled))
        # Put together once they have doubled, so that the work stays in proportion to what was added.
        return joined.together() if sum(map(len, joined.keys)) > 2 * joined.settled + 1024 else joined

    def together(self) -> KeyedSums:
        """In one piece, keys in increasing order."""
        if len(self.keys) == 1:
            return self
        found, place = np.unique(np.concatenate(self.keys), return_inverse=True)
        rows = np.concatenate(self.sums)
        sums = np.stack([np.bincount(place, weights=column, minlength=len(found)) for column in rows.T], axis=1)
        return KeyedSums((found,), (sums,), len(found))
