"""Which rows of which frame: what was made for the rows of one frame finds them in another, or is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.columns import Categorical, FrameColumn
from statinf.formula.frame import Frame

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))
_SHIFT = np.uint64(32)
_NAN = np.float64(np.nan).view(np.uint64)


@dataclass(frozen=True)
class RowMatch:
    """Where the rows of one frame stand in another.

    Attributes
    ----------
    position : ndarray of int, shape (n,)
    same : ndarray of int, shape (n,), or None
        Where rows were told apart by their contents alone and some are alike: the number of each row's kind.
    """

    position: np.ndarray
    same: np.ndarray | None = None


@dataclass(frozen=True, eq=False, repr=False)
class RowIdentity(Brief):
    """The rows of a frame: their labels, and the columns that were read.

    Attributes
    ----------
    n : int
        Rows of the frame.
    names : tuple of str
        Columns that were read.
    frame : Frame or None
        By reference; not saved.
    labels, contents : ndarray of uint64, shape (n,), or None
        Digests of the row labels and of the columns read, in place of the frame where it was left out.
    """

    n: int
    names: tuple[str, ...] = ()
    frame: Frame | None = field(default=None, metadata={"saved": False})
    labels: np.ndarray | None = None
    contents: np.ndarray | None = None

    def lean(self) -> Self:
        """The same without the frame: digests of labels and contents take its place."""
        if self.frame is None:
            return self
        labels = None if self.frame.index is None else label_keys(self.frame.index)
        return replace(self, frame=None, labels=labels, contents=row_keys(self.frame, self.names))

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.lean().__dict__)

    def locate(self, frame: Frame, what: str = "the weights") -> RowMatch | None:
        """Where the rows of `frame` stand among these; None where both frames have the same rows in the same order.

        Rows are matched by their labels where both frames have an index and the columns read agree, and otherwise by
        the contents of those columns, where these tell rows apart.

        Raises
        ------
        DataError
            If rows of `frame` are none of these, or cannot be told apart.
        """
        if frame is self.frame:
            return None
        shared = self._shared(frame)
        mine, theirs = self._labels(frame)
        if frame.n == self.n and (mine is None or mine.equals(theirs)) and self._agree(frame, shared, None):
            return None
        if mine is not None and mine.is_unique and theirs.is_unique:
            position = mine.get_indexer(theirs)
            if (position >= 0).all() and self._agree(frame, shared, position):
                return RowMatch(position)
        found = self._by_contents(frame, shared, mine, theirs) if shared else None
        if found is None:
            raise DataError(f"{what} belong to other rows: {self._why(frame, shared, mine, theirs)}.")
        return found

    def _shared(self, frame: Frame) -> tuple[str, ...]:
        held = self.names if self.frame is None else self.frame.names
        found = tuple(c for c in self.names if c in frame.names and c in held)
        # Without the frame there is one digest for all columns.
        return found if self.frame is not None or (self.contents is not None and found == self.names) else ()

    def _labels(self, frame: Frame) -> tuple[Any, Any]:
        import pandas as pd

        if frame.index is None:
            return None, None
        if self.frame is not None:
            return (None, None) if self.frame.index is None else (self.frame.index, frame.index)
        if self.labels is None:
            return None, None
        return pd.Index(self.labels), pd.Index(label_keys(frame.index))

    def _keys(self, shared: Sequence[str]) -> np.ndarray:
        if self.frame is not None:
            return row_keys(self.frame, shared)
        assert self.contents is not None
        return self.contents

    def _agree(self, frame: Frame, shared: Sequence[str], position: np.ndarray | None) -> bool:
        if self.frame is None:
            mine = self._keys(shared) if shared else np.empty(0)
            return not shared or np.array_equal(mine if position is None else mine[position], row_keys(frame, shared))
        return self._differing(frame, shared, position) is None

    def _differing(self, frame: Frame, shared: Sequence[str], position: np.ndarray | None) -> str | None:
        """The first column whose values differ."""
        assert self.frame is not None
        for name in shared:
            if position is None and same_memory(self.frame, frame, name):
                continue
            mine = column_keys(identity_column(self.frame, name))
            if not np.array_equal(
                mine if position is None else mine[position], column_keys(identity_column(frame, name))
            ):
                return name
        return None

    def _by_contents(self, frame: Frame, shared: Sequence[str], mine: Any, theirs: Any) -> RowMatch | None:
        a, b = self._keys(shared), row_keys(frame, shared)
        if mine is not None and frame.n == self.n:
            # Labels that occur more than once still tell rows of equal contents apart.
            both = _paired(_mixed(a, label_keys(mine)), _mixed(b, label_keys(theirs)))
            if both is not None:
                return both
        if frame.n == self.n:
            return _paired(a, b)
        order = np.argsort(a, kind="stable")
        place = np.minimum(np.searchsorted(a[order], b), self.n - 1)
        position = order[place]
        known = frame.n > 0 and self.n > 0 and np.array_equal(a[position], b)
        return RowMatch(position) if known and len(np.unique(b)) == frame.n and len(np.unique(a)) == self.n else None

    def _why(self, frame: Frame, shared: Sequence[str], mine: Any, theirs: Any) -> str:
        if frame.n > self.n:
            return f"they were made on a frame of {self.n} rows, the data have {frame.n}; make them on the same frame"
        advice = "make them on this frame, or give an array to go by row number"
        if mine is not None and self.frame is not None:
            if not mine.is_unique or not theirs.is_unique:
                return f"row labels occur more than once and the columns do not tell the rows apart; {advice}"
            position = mine.get_indexer(theirs)
            if (position < 0).any():
                first = label_text(theirs[int(np.argmax(position < 0))])
                return f"the row labelled {first} was not in the frame that they were made on; {advice}"
            column = self._differing(frame, shared, position)
            return f"column '{column}' differs from the one that they were made from; {advice}"
        if frame.n != self.n:
            return f"they were made on a frame of {self.n} rows, the data have {frame.n}; {advice}"
        return f"the columns that they were made from ({', '.join(shared[:5])}) hold other values; {advice}"


def _paired(a: np.ndarray, b: np.ndarray) -> RowMatch | None:
    """Rows of equal keys in both, one to one; None where the keys differ."""
    order_a, order_b = np.argsort(a, kind="stable"), np.argsort(b, kind="stable")
    keys = a[order_a]
    if not np.array_equal(keys, b[order_b]):
        return None
    position = np.empty(len(a), dtype=np.intp)
    position[order_b] = order_a
    fresh = np.append(True, keys[1:] != keys[:-1]) if len(keys) else np.ones(0, dtype=bool)
    if fresh.all():
        return RowMatch(position)
    same = np.empty(len(a), dtype=np.intp)
    same[order_b] = np.cumsum(fresh) - 1
    return RowMatch(position, same)


def identity_column(frame: Frame, name: str) -> FrameColumn:
    """The column in normal form; dates and other values that a formula cannot use are taken as categories."""
    try:
        return frame.column(name)
    except DataError:
        return frame.categories(name)


def same_memory(a: Frame, b: Frame, name: str) -> bool:
    """Whether two pandas frames hold one column of numbers in the same place, so that it need not be read."""
    if a.kind != "pandas" or b.kind != "pandas":
        return False
    x, y = a.native[name], b.native[name]
    if not isinstance(x.dtype, np.dtype) or x.dtype != y.dtype or x.dtype.kind not in "fiub":
        return False
    first, second = x.to_numpy(), y.to_numpy()
    place = (first.__array_interface__["data"][0], first.strides, first.shape)
    return place == (second.__array_interface__["data"][0], second.strides, second.shape)


def column_keys(column: FrameColumn) -> np.ndarray:
    """One number per row that is the same for the same value in every kind of frame, shape (n,) uint64."""
    if isinstance(column, Categorical):
        level = [
            int.from_bytes(hashlib.blake2b(str(v).encode(), digest_size=8).digest(), "little") for v in column.levels
        ]
        return np.array([*level, int(_NAN)], dtype=np.uint64)[column.codes]
    # Adding zero makes the two zeros alike.
    keys = (column.values + 0.0).view(np.uint64)
    missing = np.isnan(column.values)
    return np.where(missing, _NAN, keys) if missing.any() else keys


def row_keys(frame: Frame, names: Sequence[str]) -> np.ndarray:
    """A digest of each row over some columns, shape (n,) uint64."""
    out = np.zeros(frame.n, dtype=np.uint64)
    for name in names:
        out = _mixed(out, column_keys(identity_column(frame, name)))
    return out


def label_keys(index: Any) -> np.ndarray:
    """A digest of each label of a pandas index, shape (n,) uint64."""
    from pandas.util import hash_pandas_object

    return hash_pandas_object(index, index=False).to_numpy()


def label_text(label: Any) -> str:
    """A row label for messages: text in quotes, numbers plain."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def _mixed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    mixed = (a ^ b) * _ODD[0]
    mixed ^= mixed >> _SHIFT
    mixed *= _ODD[1]
    return mixed ^ (mixed >> _SHIFT)
