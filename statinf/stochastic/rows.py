"""Rows of a stream, and the chunks in which a recursion works through them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

CHUNK = 256
"""Rows are worked through in chunks of this many, counted from the first row of the stream: sums are added up
chunk by chunk, so results do not depend on the blocks in which rows arrive, to the last bit."""


SLABS = (1024, 8192)
"""Lengths that rows are padded to on their way into a compiled kernel."""


_SHORT = 8
"""Coordinates from which NumPy sums a row faster than column after column; it does so in the same order below."""


def slab_size(n: int) -> int:
    """The padded length for n rows, at most the largest slab."""
    return next(size for size in SLABS if n <= size)


def by_chunks(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """X @ matrix for whole chunks of rows, one after the other, so that bits do not depend on their number."""
    return (x.reshape(-1, CHUNK, x.shape[1]) @ matrix).reshape(-1, matrix.shape[1])


def row_dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of products along rows (n, d), shape (n,).

    No product of BLAS or einsum, whose rounding depends on alignment, and so on how rows arrived.
    """
    if a.shape[1] >= _SHORT:
        return (a * b).sum(axis=1)
    total = a[:, 0] * b[:, 0]
    for j in range(1, a.shape[1]):
        total += a[:, j] * b[:, j]
    return total


@dataclass(frozen=True)
class StreamRows:
    """Rows of a stream: increments are multiples of F, predictions are G theta, targets c.

    F, G have shape (n, d), c and episode (n,). Covariance lags never cross from one episode number to another.
    """

    F: np.ndarray
    G: np.ndarray
    c: np.ndarray
    episode: np.ndarray

    @classmethod
    def of(cls, F: np.ndarray, G: np.ndarray, c: np.ndarray, episode: np.ndarray | None = None) -> StreamRows:
        """Rows from arrays, as float64; one episode unless told."""
        c = np.ascontiguousarray(c, np.float64)
        if episode is None:
            episode = np.zeros(len(c), np.int64)
        left = np.ascontiguousarray(F, np.float64)
        return cls(left, left if G is F else np.ascontiguousarray(G, np.float64), c, episode)

    @classmethod
    def none(cls, d: int) -> StreamRows:
        return cls.of(np.empty((0, d)), np.empty((0, d)), np.empty(0))

    def __len__(self) -> int:
        return len(self.c)

    def __getitem__(self, part: slice) -> StreamRows:
        return StreamRows(self.F[part], self.G[part], self.c[part], self.episode[part])

    def some(self, which: np.ndarray) -> StreamRows:
        """The rows of a mask (n,)."""
        return StreamRows(*(np.ascontiguousarray(getattr(self, f.name)[which]) for f in fields(self)))

    def then(self, other: StreamRows) -> StreamRows:
        """These rows, then the others."""
        if not len(self):
            return other
        return StreamRows(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))
