"""Row-wise unions of closed intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import row_blocks

_ELEMENTS = 1 << 17  # of a block that stays in cache


@dataclass(frozen=True)
class IntervalSets:
    """A finite union of disjoint closed intervals for each of n rows.

    Attributes
    ----------
    lower, upper : ndarray, shape (pieces,)
        Ends, possibly infinite; pieces are ordered by row, then from left to right.
    row : ndarray of int, shape (pieces,)
        Which row a piece belongs to. A row without pieces has the empty set.
    n : int
    """

    lower: np.ndarray
    upper: np.ndarray
    row: np.ndarray
    n: int

    @classmethod
    def one_each(cls, lower: np.ndarray, upper: np.ndarray) -> IntervalSets:
        """One interval a row; empty where lower is above upper or an end is NaN."""
        keep = lower <= upper
        row = np.arange(len(lower))
        if keep.all():
            return cls(lower, upper, row, len(lower))
        return cls(lower[keep], upper[keep], row[keep], len(lower))

    @classmethod
    def balls(cls, centres: np.ndarray, radius: np.ndarray) -> IntervalSets:
        """Unions of ``[c - r, c + r]`` over centres (n, M), with one radius per row (n,).

        A negative radius gives the empty set, an infinite one the whole line.
        """
        blocks = row_blocks(len(centres), centres.shape[1], _ELEMENTS) or [slice(0, 0)]
        return cls.concatenate([_balls(centres[rows], radius[rows]) for rows in blocks])

    @classmethod
    def concatenate(cls, parts: list[IntervalSets]) -> IntervalSets:
        """Sets of consecutive blocks of rows as one."""
        if len(parts) == 1:
            return parts[0]
        offsets = np.concatenate([[0], np.cumsum([p.n for p in parts])]).astype(np.intp)
        return cls(
            np.concatenate([p.lower for p in parts]),
            np.concatenate([p.upper for p in parts]),
            np.concatenate([p.row + o for p, o in zip(parts, offsets[:-1], strict=True)]),
            int(offsets[-1]),
        )

    @property
    def pieces(self) -> np.ndarray:
        """Number of intervals of each row (n,)."""
        return np.bincount(self.row, minlength=self.n)

    def hull(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest points (n,), (n,); NaN for empty sets."""
        low, high = np.full(self.n, np.nan), np.full(self.n, np.nan)
        if len(self.row):
            first = np.flatnonzero(np.diff(self.row, prepend=-1))
            last = np.append(first[1:], len(self.row)) - 1
            low[self.row[first]], high[self.row[last]] = self.lower[first], self.upper[last]
        return low, high

    def length(self) -> np.ndarray:
        """Total lengths (n,): zero for empty sets, infinite for unbounded ones."""
        return np.bincount(self.row, weights=self.upper - self.lower, minlength=self.n)

    def contains(self, y: np.ndarray) -> np.ndarray:
        """Whether each row's point (n,) lies in its set; NaN points do not."""
        y = np.asarray(y, np.float64)
        inside = (self.lower <= y[self.row]) & (y[self.row] <= self.upper)
        out = np.zeros(self.n, bool)
        out[self.row[inside]] = True
        return out


def _balls(centres: np.ndarray, radius: np.ndarray) -> IntervalSets:
    n, count = centres.shape
    centres = np.sort(centres, axis=1)
    # One flag more than centres: piece j of a row starts at flag j and ends before the next flag that is set.
    cut = np.empty((n, count + 1), bool)
    some = radius >= 0.0
    cut[:, 0] = cut[:, -1] = some
    with np.errstate(invalid="ignore"):
        np.greater(centres[:, 1:] - centres[:, :-1], 2.0 * radius[:, None], out=cut[:, 1:-1])
    if not some.all():
        cut[~some] = False
    row, at = np.divmod(np.flatnonzero(cut), count + 1)
    starts, stops = at < count, at > 0
    first, last = row[starts] * count + at[starts], row[stops] * count + at[stops] - 1
    row = row[starts]
    size, flat = radius[row], centres.ravel()
    return IntervalSets(flat[first] - size, flat[last] + size, row, n)
