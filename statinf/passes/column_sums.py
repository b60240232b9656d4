"""Weighted moments of columns over blocks of rows: what balance tables, scales and aliases are read from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.passes.sums import Extent


@dataclass(frozen=True)
class ColumnSums:
    """Weighted sums over rows of columns about a point that all blocks share.

    Attributes
    ----------
    weight2 : float
        Sum of squared weights.
    gram : ndarray, shape (p + 1, p + 1)
        Of a constant and the columns.
    extent : Extent
        Of the columns as they are, over rows of positive weight.
    binary : ndarray of bool, shape (p,)
        Columns without other values than 0 and 1.
    """

    weight2: float
    gram: np.ndarray
    extent: Extent
    binary: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, centre: np.ndarray, w: np.ndarray) -> ColumnSums:
        """Of the rows of one block."""
        rows = np.empty((len(x), x.shape[1] + 1), order="F")
        rows[:, 0] = 1.0
        rows[:, 1:] = x - centre
        binary = ((x == 0.0) | (x == 1.0)).all(axis=0)
        return cls(float(w @ w), np.dot(rows.T * w, rows), Extent.of(x), binary)

    def plus(self, other: ColumnSums) -> ColumnSums:
        """Of both."""
        return ColumnSums(
            self.weight2 + other.weight2,
            self.gram + other.gram,
            self.extent.plus(other.extent),
            self.binary & other.binary,
        )

    @property
    def mass(self) -> float:
        return float(self.gram[0, 0])

    def combined(self, columns: np.ndarray, binary: np.ndarray) -> ColumnSums:
        """Of combinations (m, p + 1) of the constant and the columns, binary ones flagged by the caller.

        Their extents are told from their variances: those of combinations are asked for constancy only.
        """
        lift = np.vstack([np.eye(1, columns.shape[1]), columns])
        made = replace(self, gram=lift @ self.gram @ lift.T, binary=binary)
        mean = made.mean
        vary = made.raw_variance > 1e-12 * np.maximum(mean**2, 1e-300)
        single = (np.abs(columns[:, 1:]) > 0).sum(axis=1) == 1
        place = np.abs(columns[:, 1:]).argmax(axis=1)
        flat = np.where(single, self.extent.low[place] == self.extent.high[place], ~vary)
        return replace(made, extent=Extent(mean, np.where(flat, mean, mean + 1.0)))

    @property
    def mean(self) -> np.ndarray:
        """About the shared point, shape (p,)."""
        return self.gram[0, 1:] / self.mass

    @property
    def raw_variance(self) -> np.ndarray:
        """Weighted variance, shape (p,)."""
        return np.maximum(np.diag(self.gram)[1:] / self.mass - self.mean**2, 0.0)

    def variance(self, point: np.ndarray) -> np.ndarray:
        """Reliability-weighted variance, p (1 - p) of binary columns, which stand at `point` (p,) beside the shared one."""
        factor = self.mass**2 / max(self.mass**2 - self.weight2, 1e-300)
        share = self.mean + point
        return np.where(self.binary, share * (1.0 - share), self.raw_variance * factor)

    @property
    def flat(self) -> np.ndarray:
        """Columns with one value, shape (p,)."""
        return self.extent.low == self.extent.high
