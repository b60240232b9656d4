"""Directions along which a likelihood of categories never falls, of any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_ENTRIES = 2_000_000
"""Entries of the linear programme up to which all rows enter it at once."""
_MORE = 500


def separating(
    programme: Callable[[np.ndarray], np.ndarray | None],
    gaps: Callable[[np.ndarray], np.ndarray],
    suspicions: Sequence[np.ndarray],
    entries: int,
) -> np.ndarray | None:
    """A direction of separation that holds on all rows, or None.

    Of many rows those enter the programme that are suspected most, some others, and all that a direction found so far
    violates.

    Parameters
    ----------
    programme : callable
        A direction that separates the rows marked (n,) bool, or None.
    gaps : callable
        By how much each row goes against a direction, relative to the largest movement; zero or less where it does not.
    suspicions : sequence of ndarray, shape (n,)
        Largest where a row is predicted most surely, or lies farthest from the others.
    entries : int
        Of a programme with all rows.
    """
    n = len(suspicions[0])
    chosen = np.ones(n, bool)
    if entries > _ENTRIES:
        chosen[:] = False
        for suspicion in suspicions:
            chosen[np.argsort(-suspicion)[:_MORE]] = True
        chosen[:: max(1, n // _MORE)] = True
    for _ in range(20):
        found = programme(chosen)
        if found is None or chosen.all():
            return found
        gap = gaps(found)
        wrong = np.flatnonzero(gap > 1e-7)
        if not len(wrong):
            return found
        chosen[wrong[np.argsort(-gap[wrong])[:_MORE]]] = True
    return None
