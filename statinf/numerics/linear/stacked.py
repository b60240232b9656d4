"""Two arrays of rows behind one another that are read as one and are not copied into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, repr=False)
class StackedRows(Brief):
    """Rows (n, p) with rows (m, p) behind them, for sums over blocks of rows.

    Attributes
    ----------
    first, second : ndarray, shape (n, p) and (m, p)
    """

    first: np.ndarray
    second: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.first) + len(self.second), self.first.shape[1]

    @property
    def size(self) -> int:
        return self.first.size + self.second.size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows of a slice: a view where they are all of one array."""
        n = len(self.first)
        start, stop, step = rows.indices(len(self))
        if stop <= n:
            return self.first[rows]
        if start >= n:
            return self.second[start - n : stop - n : step]
        beyond = (start - n) % step
        return np.concatenate([self.first[start::step], self.second[beyond : stop - n : step]])

    def __matmul__(self, slope: np.ndarray) -> np.ndarray:
        return np.concatenate([self.first @ slope, self.second @ slope])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out = np.empty(self.shape, order="F")
        out[: len(self.first)], out[len(self.first) :] = self.first, self.second
        return out
