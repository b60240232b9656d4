"""Items of single rows, with their standard errors."""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads
from statinf.inference.contrasts import CONTRASTS
from statinf.inference.covariance import Covariance
from statinf.results.margins.compute import _PARALLEL_FROM, ItemBlock, _blocks, _items_of
from statinf.results.margins.items import Items
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.rows import MarginRows


def single_rows(
    source: MarginRows,
    model: MeanModel,
    made: Items,
    theta: np.ndarray,
    estimable: np.ndarray,
    cov: Covariance,
    link: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors, shape (T K, n)."""
    p, q, count = source.columns.shape[1], len(theta), len(model.means)
    value = np.full((len(made.targets), count, source.n), np.nan)
    se = np.full_like(value, np.nan)
    root = cov.root if np.isfinite(cov.matrix).all() else np.full((len(cov.matrix), 1), np.nan)

    def one(rows: slice) -> None:
        block = ItemBlock(source, model, rows)
        values, halves = {}, {}
        for i, k, found in _items_of(block, made.items, model.means, theta, link):
            values[i, k] = found.values
            halves[i, k] = found.rows(model.means[k], p, q)[:, estimable] @ root
        for t, target in enumerate(made.targets):
            for k in range(count):
                out, half = values[target.hi, k], halves[target.hi, k]
                if target.lo >= 0:
                    with np.errstate(all="ignore"):
                        out, up, down = CONTRASTS[target.comparison](out, values[target.lo, k])
                        half = up[:, None] * half + down[:, None] * halves[target.lo, k]
                value[t, k, rows] = out
                se[t, k, rows] = np.where(np.isnan(out), np.nan, np.sqrt(np.einsum("ij,ij->i", half, half)))

    map_threads(one, _blocks(source, model, 4 + 2 * len(made.items)), parallel=source.n > _PARALLEL_FROM)
    shape = (len(made.targets) * count, source.n)
    return value.reshape(shape), se.reshape(shape)
