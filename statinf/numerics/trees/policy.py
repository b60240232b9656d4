"""Trees of two actions that gain most: exact search over cut points, to depth two (Athey and Wager 2021; Sverdrup et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MOST_CUTS = 32
_ROUNDING = 1e-10


@dataclass(frozen=True)
class PolicyNode:
    """A node: a leaf with its action, or a column and the largest value that goes to the left.

    Attributes
    ----------
    treat : bool
        Of a leaf.
    column : int
        -1 for a leaf.
    cut : float
    left, right : PolicyNode or None
    """

    treat: bool = False
    column: int = -1
    cut: float = np.nan
    left: PolicyNode | None = None
    right: PolicyNode | None = None

    def actions(self, x: np.ndarray) -> np.ndarray:
        """Whether each row (n, p) is treated, shape (n,) bool."""
        if self.column < 0:
            return np.full(len(x), self.treat)
        assert self.left is not None and self.right is not None
        return np.where(x[:, self.column] <= self.cut, self.left.actions(x), self.right.actions(x))


def best_tree(x: np.ndarray, gain: np.ndarray, depth: int, min_rows: int) -> PolicyNode:
    """The tree of most total gain; of two that gain the same the shallower.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    gain : ndarray, shape (n,)
        Of treating each row, weights included.
    depth : {0, 1, 2}
    min_rows : int
        Fewest rows of a leaf.

    Returns
    -------
    PolicyNode
        Cuts are at up to 32 quantiles of a column, at all of its values if these are no more.
    """
    leaf = PolicyNode(treat=bool(gain.sum() > 0.0))
    if depth == 0 or len(x) < 2 * min_rows:
        return leaf
    codes, cuts = _coded(x)
    size = _ROUNDING * float(np.abs(gain).sum())
    stump_gain, stump = _best_stump(codes, cuts, gain, min_rows)
    best, found = max(0.0, float(gain.sum())), leaf
    if stump_gain > best + size:
        best, found = stump_gain, stump
    if depth == 1:
        return found
    first = _best_first(codes, cuts, gain, min_rows)
    if first is None or first[0] <= best + size:
        return found
    _, j, b = first
    left = codes[:, j] <= b
    return PolicyNode(
        column=j,
        cut=float(cuts[j][b]),
        left=_stump_on(codes[left], cuts, gain[left], min_rows),
        right=_stump_on(codes[~left], cuts, gain[~left], min_rows),
    )


def _stump_on(codes: np.ndarray, cuts: list[np.ndarray], gain: np.ndarray, min_rows: int) -> PolicyNode:
    """The best stump, or leaf, on the cuts of all rows."""
    value, stump = _best_stump(codes, cuts, gain, min_rows)
    if value > max(0.0, float(gain.sum())) + _ROUNDING * float(np.abs(gain).sum()):
        return stump
    return PolicyNode(treat=bool(gain.sum() > 0.0))


def _coded(x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Bins (n, p) of the columns, and the largest value of each bin but the last."""
    codes, cuts = np.empty(x.shape, np.intp), []
    for j, column in enumerate(x.T):
        values = np.unique(column)
        if len(values) > _MOST_CUTS + 1:
            values = np.unique(
                np.quantile(column, np.arange(1, _MOST_CUTS + 1) / (_MOST_CUTS + 1), method="inverted_cdf")
            )
            values = values[values < column.max()]
        else:
            values = values[:-1]
        cuts.append(values)
        codes[:, j] = np.searchsorted(values, column, side="left")
    return codes, cuts


def _best_stump(codes: np.ndarray, cuts: list[np.ndarray], gain: np.ndarray, min_rows: int) -> tuple[float, PolicyNode]:
    best, found = -np.inf, PolicyNode()
    total, n = float(gain.sum()), len(gain)
    for j, values in enumerate(cuts):
        if not len(values):
            continue
        below = np.cumsum(np.bincount(codes[:, j], gain, len(values) + 1))[:-1]
        count = np.cumsum(np.bincount(codes[:, j], minlength=len(values) + 1))[:-1]
        made = np.maximum(below, 0.0) + np.maximum(total - below, 0.0)
        made = np.where((count >= min_rows) & (n - count >= min_rows), made, -np.inf)
        b = int(np.argmax(made))
        if made[b] > best:
            left, right = PolicyNode(treat=bool(below[b] > 0)), PolicyNode(treat=bool(total - below[b] > 0))
            best, found = float(made[b]), PolicyNode(column=j, cut=float(values[b]), left=left, right=right)
    return best, found


def _best_first(
    codes: np.ndarray, cuts: list[np.ndarray], gain: np.ndarray, min_rows: int
) -> tuple[float, int, int] | None:
    """The first split (gain, column, bin) whose two sides gain most by a stump each."""
    best = None
    for j, values in enumerate(cuts):
        if not len(values):
            continue
        width = len(values) + 1
        sums = np.cumsum(np.bincount(codes[:, j], gain, width))
        rows = np.cumsum(np.bincount(codes[:, j], minlength=width))
        sides = [np.maximum(sums, 0.0)[:-1], np.maximum(sums[-1] - sums, 0.0)[:-1]]
        for k, others in enumerate(cuts):
            if not len(others):
                continue
            wide = len(others) + 1
            both = codes[:, j] * wide + codes[:, k]
            g = np.cumsum(np.bincount(both, gain, width * wide).reshape(width, wide), axis=0)
            c = np.cumsum(np.bincount(both, minlength=width * wide).reshape(width, wide), axis=0)
            for side, (part, count) in enumerate(((g[:-1], c[:-1]), (g[-1] - g[:-1], c[-1] - c[:-1]))):
                low, fewer = np.cumsum(part, axis=1)[:, :-1], np.cumsum(count, axis=1)[:, :-1]
                whole, every = part.sum(axis=1, keepdims=True), count.sum(axis=1, keepdims=True)
                made = np.maximum(low, 0.0) + np.maximum(whole - low, 0.0)
                made = np.where((fewer >= min_rows) & (every - fewer >= min_rows), made, -np.inf)
                sides[side] = np.maximum(sides[side], made.max(axis=1))
        allowed = (rows[:-1] >= min_rows) & (rows[-1] - rows[:-1] >= min_rows)
        made = np.where(allowed, sides[0] + sides[1], -np.inf)
        b = int(np.argmax(made))
        if np.isfinite(made[b]) and (best is None or made[b] > best[0]):
            best = (float(made[b]), j, b)
    return best
