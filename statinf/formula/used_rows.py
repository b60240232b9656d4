"""The rows of a frame that a design keeps: those that its factors, weights and clusters all have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.factors import Factor
from statinf.formula.given import clusters_of, positive, weights_of
from statinf.formula.learning import learn_without
from statinf.formula.recipe import check_no_rows, warn_rows
from statinf.formula.rows import Store, usable_rows


@dataclass(frozen=True)
class UsedRows:
    """The rows of a frame that a design keeps.

    Attributes
    ----------
    index : ndarray of int, shape (n,), or None
        None for all of them.
    n : int
    causes : mapping of str to int
        Rows lost to each cause.
    given : ndarray, shape (rows of the frame,), or None
        Row weights.
    clusters : mapping of str to ndarray of int, shape (rows of the frame,)
    known : object
        What was learnt without the rows of weight zero, where there are some.
    """

    index: np.ndarray | None
    n: int
    causes: Mapping[str, int]
    given: np.ndarray | None
    clusters: Mapping[str, np.ndarray]
    known: Any = None


def rows_used(store: Store, factors: Sequence[Factor], weights: Any, cluster: Any, na_action: str) -> UsedRows:
    """The rows that every factor, the weights and the clusters have; see `design` for the arguments.

    Raises
    ------
    DataError
        If no row is left, weights or clusters cannot be used, or `na_action="raise"` and a row cannot be used.
    """
    frame = store.frame
    given, strikes = weights_of(weights, frame)
    clusters = clusters_of(cluster, frame)
    strikes |= {f"{name} is missing": codes < 0 for name, codes in clusters.items()}
    absent = None if given is None or hasattr(weights, "used") else given == 0.0
    if absent is not None and not absent.any():
        absent = None
    used = usable_rows(store, factors, None, strikes, absent)
    index = _after_na_action(used, na_action, frame.n)
    n = frame.n if index is None else len(index)
    check_no_rows(n, frame.n, used.causes)
    if absent is None or given is None:
        return UsedRows(index, n, used.causes, given, clusters)
    positive(given[used.ok])
    ok, known = learn_without(factors, store, used.ok, absent)
    return UsedRows(np.flatnonzero(ok), int(np.count_nonzero(ok)), used.causes, given, clusters, known)


def _after_na_action(used: Any, na_action: str, n: int) -> np.ndarray | None:
    if used.causes and na_action == "raise":
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in used.causes.items())
        first = int(np.argmin(used.ok))
        raise DataError(f"na_action='raise' and rows cannot be used (first: {first}): {listed}.")
    warn_rows({c: k for c, k in used.causes.items() if c.endswith("is not finite")}, n, "are dropped")
    return used.index
