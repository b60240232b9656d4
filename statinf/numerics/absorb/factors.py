"""Factors whose effects are absorbed: which of their levels meet in rows, and how many effects that identifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

_MOST_RANK = 1000
"""Levels beyond the largest factor up to which the effects of three factors or more are counted by rank."""
_MOST_PRODUCTS = 50_000_000


@dataclass(frozen=True, eq=False)
class Crossing:
    """The cells that two factors fill, in the order of a sparse matrix (levels of the first, levels of the second).

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Rows, those of a cell together.
    starts : ndarray of int, shape (cells,)
        Where each cell begins in `order`.
    indices, indptr : ndarray of int
        Of the compressed sparse rows.
    shape : tuple of int
    """

    order: np.ndarray
    starts: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> Crossing:
        """The cells of two factors' codes, by two counting sorts."""
        order, _ = counting_sort(second, shape[1])
        inner, ends = counting_sort(first[order], shape[0])
        order = order[inner]
        column = second[order]
        new = np.empty(len(order), dtype=bool)
        new[:1] = True
        np.not_equal(column[1:], column[:-1], out=new[1:])
        new[ends[:-1][ends[:-1] < len(order)]] = True
        starts = np.flatnonzero(new)
        indptr = np.searchsorted(starts, ends).astype(np.int32)
        return cls(order, starts, column[starts].astype(np.int32), indptr, shape)

    def sums(self, weights: np.ndarray | None) -> Any:
        """Sums of weights by cell, a sparse matrix; counts without weights."""
        from scipy.sparse import csr_array

        if weights is None:
            data = np.diff(self.starts, append=len(self.order)).astype(np.float64)
        else:
            data = weights[self.order]
            data = data if len(self.starts) == len(data) else np.add.reduceat(data, self.starts)
        return csr_array((data, self.indices, self.indptr), shape=self.shape)


def counting_sort(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Stable order of codes from 0 to `size` - 1, and where each code begins, shape (size + 1,)."""
    from scipy.sparse import csr_array

    n = len(codes)
    # One entry a row: the transpose of such a matrix is a counting sort in compiled code.
    ones = csr_array(
        (np.arange(n, dtype=np.int32), codes.astype(np.int32), np.arange(n + 1, dtype=np.int32)), (n, size)
    )
    turned = ones.tocsc()
    return turned.data, turned.indptr


@dataclass(frozen=True, eq=False)
class Factors:
    """Factors of the rows of a regression.

    Attributes
    ----------
    codes : tuple of ndarray of int, shape (n,)
        Levels of each, from 0 without gaps.
    sizes : tuple of int
        Numbers of levels.
    """

    codes: tuple[np.ndarray, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, codes: Sequence[np.ndarray]) -> Factors:
        found = tuple(np.asarray(code, dtype=np.intp) for code in codes)
        return cls(found, tuple(int(code.max(initial=-1)) + 1 for code in found))

    @property
    def n(self) -> int:
        return len(self.codes[0])

    @cached_property
    def main(self) -> int:
        """The factor of most levels, which is eliminated in closed form."""
        return int(np.argmax(self.sizes))

    @cached_property
    def others(self) -> tuple[int, ...]:
        return tuple(q for q in range(len(self.sizes)) if q != self.main)

    @cached_property
    def crossings(self) -> dict[tuple[int, int], Crossing]:
        """Cells of the main factor with each other one, and of the others with one another."""
        pairs = [(self.main, q) for q in self.others] + list(combinations(self.others, 2))
        return {(p, q): self._crossing(p, q) for p, q in pairs}

    def _crossing(self, p: int, q: int) -> Crossing:
        return Crossing.of(self.codes[p], self.codes[q], (self.sizes[p], self.sizes[q]))

    @cached_property
    def components(self) -> tuple[int, tuple[np.ndarray, ...]]:
        """Sets of levels that rows connect: their number, and the set of each level, shape (levels,) by factor.

        Levels of two sets never meet, so that effects are comparable within a set only.
        """
        labels: list[np.ndarray] = [np.empty(0, np.intp)] * len(self.sizes)
        if not self.others:
            labels[0] = np.arange(self.sizes[0])
            return self.sizes[0], tuple(labels)
        count, every = connected([self.crossings[self.main, q] for q in self.others])
        cuts = np.cumsum([self.sizes[self.main], *(self.sizes[q] for q in self.others)])
        for q, part in zip((self.main, *self.others), np.split(every, cuts[:-1]), strict=True):
            labels[q] = part
        return count, tuple(labels)

    @cached_property
    def rank(self) -> tuple[int, bool]:
        """Number of effects that the rows identify, the constant included, and whether it is exact.

        One factor has as many as levels; two lose one for each connected set (Abowd, Creecy and Kramarz 2002). Of more the
        number is the rank of their normal equations where these are small; else each further factor loses the largest
        number of sets that it forms with one before it, which may count too many effects and never too few.
        """
        total = sum(self.sizes)
        if len(self.sizes) == 1:
            return total, True
        if len(self.sizes) == 2:
            return total - self.components[0], True
        beyond = total - self.sizes[self.main]
        squares = sum(float(np.sum(np.diff(c.indptr).astype(float) ** 2)) for c in self.crossings.values())
        if beyond <= _MOST_RANK and squares <= _MOST_PRODUCTS:
            return self.sizes[self.main] + self._rank_beyond(), True
        lost = [
            max(connected([self.crossings.get((p, q)) or self._crossing(p, q)])[0] for p in range(q))
            for q in range(1, len(self.sizes))
        ]
        return total - sum(lost), False

    def _rank_beyond(self) -> int:
        """Rank of the other factors' columns beside those of the main one."""
        from scipy.sparse import block_array, diags_array, hstack

        counts = [np.bincount(self.codes[q], minlength=self.sizes[q]).astype(float) for q in range(len(self.sizes))]
        size = len(self.others)
        blocks: list[list[Any]] = [[None] * size for _ in range(size)]
        for i, p in enumerate(self.others):
            blocks[i][i] = diags_array(counts[p])
            for j in range(i + 1, size):
                blocks[i][j] = self.crossings[p, self.others[j]].sums(None)
                blocks[j][i] = blocks[i][j].T
        side = hstack([self.crossings[self.main, q].sums(None) for q in self.others], format="csr")
        inner = block_array(blocks, format="csr") - side.T @ diags_array(1.0 / counts[self.main]) @ side
        scale = 1.0 / np.sqrt(np.concatenate([counts[q] for q in self.others]))
        values = np.linalg.eigvalsh(inner.toarray() * scale[:, None] * scale)
        return int(np.count_nonzero(values > 1e-10))

    def nested(self, groups: np.ndarray) -> tuple[bool, ...]:
        """Whether each level of a factor lies within one of the groups, whose codes have shape (n,)."""
        return tuple(_within(code, size, groups) for code, size in zip(self.codes, self.sizes, strict=True))


def _within(code: np.ndarray, size: int, groups: np.ndarray) -> bool:
    last = np.zeros(size, dtype=groups.dtype)
    last[code] = groups
    return bool(np.array_equal(last[code], groups))


def connected(crossings: Sequence[Crossing]) -> tuple[int, np.ndarray]:
    """Connected sets of a first factor's levels, followed by those of the factors that it is crossed with."""
    from scipy.sparse import csr_array, hstack
    from scipy.sparse.csgraph import connected_components

    parts = [csr_array((np.ones(len(c.indices), np.int8), c.indices, c.indptr), shape=c.shape) for c in crossings]
    side = parts[0] if len(parts) == 1 else hstack(parts, format="csr")
    first, rest = side.shape
    total = first + rest
    indptr = np.append(side.indptr, np.full(rest, side.indptr[-1]))
    graph = csr_array((side.data, side.indices + np.int32(first), indptr), shape=(total, total))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels
