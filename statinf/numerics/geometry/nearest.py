"""The nearest of many points, with all that are as near: exact, by matrix products on tiles or by a tree.

In few dimensions a tree finds them. In more a tree visits most points; then single-precision products give the smallest
distance from every row to every tile of points, which bounds the k-th nearest, and only tiles that can hold it are
searched again in full precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads
from statinf.backend.threads import cores
from statinf.brief import Brief

_TREE_UP_TO = 4
_TILE, _ROWS = 512, 512
_SLACK = 64.0 * float(np.finfo(np.float32).eps)
"""Error of a single-precision squared distance, in units of the squared lengths of its points, with room."""


@dataclass(frozen=True, repr=False)
class Neighbours(Brief):
    """Points near each row: those of row i are `points[start[i]:start[i + 1]]`.

    Attributes
    ----------
    start : ndarray of int, shape (n + 1,)
    points : ndarray of int, shape (m,)
    squared : ndarray, shape (m,)
        Squared distances.
    """

    start: np.ndarray
    points: np.ndarray
    squared: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Number of points of each row, shape (n,)."""
        return np.diff(self.start)

    @property
    def rows(self) -> np.ndarray:
        """Row of each entry, shape (m,)."""
        return np.repeat(np.arange(len(self.start) - 1), self.counts)


def gather(n: int, rows: np.ndarray, points: np.ndarray, squared: np.ndarray) -> Neighbours:
    """Neighbours from pairs in any order; those of a row are sorted by the point's number."""
    order = np.lexsort((points, rows))
    start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    return Neighbours(start, points[order], squared[order])


def nearest(queries: np.ndarray, points: np.ndarray, k: int, *, tolerance: float = 0.0) -> Neighbours:
    """The k nearest points (m, p) of each query (n, p), and all others whose squared distance is as small.

    Parameters
    ----------
    queries, points : ndarray, shape (n, p) and (m, p)
    k : int
        At most m.
    tolerance : float
        By how much a squared distance may exceed the k-th smallest and count as the same.
    """
    if queries.shape[1] <= _TREE_UP_TO:
        return _by_tree(queries, points, k, tolerance)
    # Close to the origin, where squared lengths cost the fewest digits.
    centre = points.mean(axis=0)
    queries, points = queries - centre, points - centre
    bounds = _tile_minima(queries, points)
    slack = _SLACK * ((queries**2).sum(axis=1) + (points**2).sum(axis=1).max())
    if bounds.shape[1] <= k:
        reach = np.full(len(queries), np.inf)
    else:
        # k tiles each hold a point at their smallest distance: the k-th nearest is no farther.
        reach = np.partition(bounds, k - 1, axis=1)[:, k - 1] + 2.0 * slack + tolerance
    return _within(queries, points, bounds <= reach[:, None], k, tolerance)


def _by_tree(queries: np.ndarray, points: np.ndarray, k: int, tolerance: float) -> Neighbours:
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    found = tree.query(queries, k=[k], workers=cores())[0][:, 0]
    reach = np.sqrt(found**2 + tolerance) * (1.0 + 1e-12)
    lists = tree.query_ball_point(queries, reach, workers=cores())
    counts = np.fromiter(map(len, lists), np.intp, len(lists))
    rows = np.repeat(np.arange(len(queries)), counts)
    flat = np.concatenate([np.asarray(one, np.intp) for one in lists]) if len(lists) else np.empty(0, np.intp)
    return gather(len(queries), rows, flat, ((queries[rows] - points[flat]) ** 2).sum(axis=1))


def _tile_minima(queries: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Smallest squared distance of each query to each tile of points, shape (n, tiles), in single precision."""
    left = np.column_stack([-2.0 * queries, np.ones(len(queries))]).astype(np.float32)
    right = np.column_stack([points, (points**2).sum(axis=1)]).astype(np.float32)
    tiles = [slice(s, s + _TILE) for s in range(0, len(points), _TILE)]
    parts = [np.ascontiguousarray(right[t].T) for t in tiles]
    out = np.empty((len(queries), len(tiles)), np.float32)

    def block(rows: slice) -> None:
        some = left[rows]
        for t, part in enumerate(parts):
            out[rows, t] = np.dot(some, part).min(axis=1)

    blocks = [slice(s, s + _ROWS) for s in range(0, len(queries), _ROWS)]
    map_threads(block, blocks, parallel=len(queries) * len(points) > 1 << 22)
    return out + (queries**2).sum(axis=1, dtype=np.float64)[:, None].astype(np.float32)


def _within(queries: np.ndarray, points: np.ndarray, look: np.ndarray, k: int, tolerance: float) -> Neighbours:
    """The nearest among the tiles to be looked at, in full precision; `look` is (n, tiles) of booleans."""

    def tile(t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = np.flatnonzero(look[:, t])
        part = points[t * _TILE : (t + 1) * _TILE]
        found = []
        for s in range(0, len(rows), _ROWS):
            some = rows[s : s + _ROWS]
            square = np.dot(-2.0 * queries[some], part.T) + (part**2).sum(axis=1)
            square += (queries[some] ** 2).sum(axis=1)[:, None]
            most = min(k, len(part)) - 1
            # What the tile's own k-th nearest leaves behind cannot be among the k nearest of all.
            edge = np.partition(square, most, axis=1)[:, most] + tolerance
            edge += 1e-12 * (np.abs(edge) + (queries[some] ** 2).sum(axis=1))
            i, j = np.nonzero(square <= edge[:, None])
            found.append((some[i], t * _TILE + j))
        if not found:
            empty = np.empty(0, np.intp)
            return empty, empty, np.empty(0)
        rows, chosen = (np.concatenate(one) for one in zip(*found, strict=True))
        return rows, chosen, ((queries[rows] - points[chosen]) ** 2).sum(axis=1)

    kept = map_threads(tile, range(look.shape[1]), parallel=look.sum() > 64)
    rows, chosen, squared = (np.concatenate(one) for one in zip(*kept, strict=True))
    order = np.lexsort((squared, rows))
    rows, chosen, squared = rows[order], chosen[order], squared[order]
    start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(queries)))])
    best = squared[start[:-1] + k - 1]
    inside = squared <= best[rows] + tolerance
    return gather(len(queries), rows[inside], chosen[inside], squared[inside])
