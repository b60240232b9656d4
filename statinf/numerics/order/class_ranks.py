"""How much probability lies on the classes that are likelier than a given one, row by row.

Arrays have one row per class here, so that a class is contiguous. Classes of equal probability come in their order. Every
function adds in the order of the classes, so that a class has the same number whether it is asked for alone or with all.
"""

from __future__ import annotations

from functools import cache

import numpy as np

_PAIRS = 40
"""Classes up to which all pairs are compared; more are sorted."""
_WIRES = 24
"""Classes up to which a network of comparisons sorts many rows faster than sorting each."""


def descending(P: np.ndarray) -> list[np.ndarray]:
    """Probabilities (K, n) sorted in every column, the largest first, as K arrays (n,)."""
    if len(P) > _WIRES:
        return list(-np.sort(-P, axis=0))
    wires, spare = [row.copy() for row in P], np.empty(P.shape[1:])
    for a, b in _network(len(P)):
        np.maximum(wires[a], wires[b], out=spare)
        np.minimum(wires[a], wires[b], out=wires[b])
        wires[a], spare = spare, wires[a]
    return wires


@cache
def _network(K: int) -> tuple[tuple[int, int], ...]:
    """Pairs to compare, the larger first, that sort K numbers (Batcher, 1968)."""
    found, p = [], 1
    while p < K:
        k = p
        while k:
            for j in range(k % p, K - k, 2 * k):
                same = [i + j for i in range(min(k, K - j - k)) if (i + j) // (2 * p) == (i + j + k) // (2 * p)]
                found += [(a, a + k) for a in same]
            k //= 2
        p *= 2
    return tuple(found)


def likelier(P: np.ndarray, ranks: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """Probability of the classes before each class when they are sorted, the likeliest first, and its rank.

    Parameters
    ----------
    P : ndarray, shape (K, n)
    ranks : bool
        Whether ranks are wanted.

    Returns
    -------
    mass : ndarray, shape (K, n)
        Zero for the likeliest class.
    rank : ndarray of int, shape (K, n), or None
        From 1.
    """
    K = len(P)
    if K > _PAIRS:
        return _by_sorting(P)
    mass, rank = np.zeros(P.shape), np.ones(P.shape, np.int8) if ranks else None
    for a in range(K):
        for b in range(a + 1, K):
            first = P[a] >= P[b]
            mass[b] += P[a] * first
            if rank is not None:
                rank[b] += first
            np.logical_not(first, out=first)
            mass[a] += P[b] * first
            if rank is not None:
                rank[a] += first
    return mass, rank


def likelier_than(P: np.ndarray, classes: np.ndarray, ranks: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    """The same of one class per row.

    Parameters
    ----------
    P : ndarray, shape (K, n)
    classes : ndarray of int, shape (n,)
    ranks : bool

    Returns
    -------
    mass, rank : ndarray, shape (n,), or None
    """
    at = classes, np.arange(P.shape[1])
    if len(P) > _PAIRS:
        mass, rank = _by_sorting(P)
        return mass[at], rank[at]
    own, mass, rank = P[at], np.zeros(P.shape[1]), np.ones(P.shape[1], np.int8) if ranks else None
    for j, column in enumerate(P):
        before = column > own
        before |= (column == own) & (j < classes)
        mass += column * before
        if rank is not None:
            rank += before
    return mass, rank


def _by_sorting(P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-P, axis=0, kind="stable")
    ordered = np.take_along_axis(P, order, axis=0)
    mass, rank = np.empty(P.shape), np.empty(P.shape, np.intp)
    np.put_along_axis(mass, order, np.cumsum(ordered, axis=0) - ordered, axis=0)
    np.put_along_axis(rank, order, np.arange(1, len(P) + 1)[:, None], axis=0)
    return mass, rank
