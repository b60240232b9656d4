"""Sums by combination of clusters, of the rows of one block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.passes.keyed import KeyedSums
from statinf.passes.scored import ScoredRows


def cell_sums(
    score: Callable[[Design], ScoredRows],
    names: Sequence[str],
    sizes: Sequence[int],
    corrected: bool,
    lone: bool,
    block: Design,
) -> tuple[KeyedSums, np.ndarray | None]:
    """Sums over the rows of one block by combination of clusters.

    Parameters
    ----------
    score : callable
        From the design of a block to its `ScoredRows`.
    names : sequence of str
        Cluster columns.
    sizes : sequence of int
        Clusters of each.
    corrected : bool
        Whether products of the columns are summed as well.
    lone : bool
        Whether rows outside the fit are clusters by themselves, as those of a second sample are.
    block : Design

    Returns
    -------
    KeyedSums
        Of the scores, and of products of the columns or numbers of rows behind them.
    ndarray, shape (q, q), or None
        Sum of products of the scores of rows that are clusters by themselves.
    """
    made, alone = score(block), None
    if lone and made.outside is not None:
        alone = np.dot(made.outside.T, made.outside)
        made = replace(made, outside=None, outside_rows=None)
    # A row of weight zero is absent, and its cluster may be that of no other row.
    seen = block.weights > 0
    keys = np.ravel_multi_index([block.clusters[name][seen] for name in names], sizes)
    if made.adjustment is not None:
        return _with_counts(made, names, sizes, block, seen, keys), alone
    if not corrected:
        return KeyedSums.of(keys, made.scores[seen]), alone
    if made.columns is None:
        raise NotIdentifiedError("clustered HC2 and HC3 exist for regressions only; use type HC0 or HC1.")
    upper = np.triu_indices(made.columns.shape[1])
    columns = made.columns[seen]
    products = columns[:, upper[0]] * columns[:, upper[1]]
    return KeyedSums.of(keys, np.concatenate([made.scores[seen], products], axis=1)), alone


def _with_counts(
    made: ScoredRows, names: Sequence[str], sizes: Sequence[int], block: Design, seen: np.ndarray, keys: np.ndarray
) -> KeyedSums:
    """Sums of all scores by combination of clusters, and how many rows of the fit each has."""
    rows = np.column_stack([made.total[seen], np.ones(len(keys))])
    if made.outside is None or made.outside_rows is None:
        return KeyedSums.of(keys, rows)
    codes = [block.frame_clusters[name][made.outside_rows] for name in names]
    if any((code < 0).any() for code in codes):
        raise NotIdentifiedError(
            "rows that are not in the fit but helped to estimate its weights have no cluster; leave rows without a cluster out "
            "where the weights are estimated."
        )
    more = np.column_stack([made.outside, np.zeros(len(made.outside))])
    keys = np.concatenate([keys, np.ravel_multi_index(codes, sizes)])
    return KeyedSums.of(keys, np.concatenate([rows, more]))


def product_rows(products: np.ndarray, q: int) -> np.ndarray:
    """For each cell q rows whose products are its own, shape (cells * q, q)."""
    grams = np.empty((len(products), q, q))
    upper = np.triu_indices(q)
    grams[:, upper[0], upper[1]] = products
    grams[:, upper[1], upper[0]] = products
    values, vectors = np.linalg.eigh(grams)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]).transpose(0, 2, 1).reshape(-1, q)
