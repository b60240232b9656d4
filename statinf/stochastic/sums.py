"""One-pass sums behind the plug-in, HAC, random-scaling and batch-means covariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.backend import pad_axis
from statinf.numerics.recursions.averaging import running_batches
from statinf.stochastic.rows import CHUNK, StreamRows, row_dots, slab_size
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import CovarianceSums


def psi(u: np.ndarray, c: np.ndarray, settings: Settings) -> np.ndarray:
    """Derivative of the loss in the prediction u, shape (n,)."""
    if settings.loss == "logistic":
        return _sigmoid(u) - c
    if settings.loss == "quantile":
        return np.where(c < u, 1.0, 0.0) - settings.tau
    if settings.loss == "poisson":
        return _exp(u) - c
    return u - c


def _exp(u: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(u, 700.0))


def _sigmoid(u: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * u))


def curvature(u: np.ndarray, c: np.ndarray, index: np.ndarray, settings: Settings) -> np.ndarray | float:
    """Second derivative of the loss; for quantiles its kernel estimate at the bandwidth of that row."""
    if settings.loss == "logistic":
        p = _sigmoid(u)
        return p * (1.0 - p)
    if settings.loss == "quantile":
        h = 1.06 * settings.scale * np.maximum(index, 1) ** -0.2
        z = (c - u) / h
        return np.exp(-0.5 * z * z) / (h * np.sqrt(2.0 * np.pi))
    if settings.loss == "poisson":
        return _exp(u)
    return 1.0


def _add(total: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    # One product a chunk, added one after the other: the rounding is the same however rows arrived.
    shape = (-1, CHUNK, left.shape[1])
    products = left.reshape(shape).transpose(0, 2, 1) @ right.reshape(-1, CHUNK, right.shape[1])
    products[0] += total
    return np.add.accumulate(products)[-1].copy()


def add_rows(
    sums: CovarianceSums, settings: Settings, first: int, rows: StreamRows, path: np.ndarray, means: np.ndarray, before: np.ndarray,
    real: int, origin: int | None = None,
    apart: np.ndarray | None = None,
) -> CovarianceSums:  # fmt: skip
    """Add a whole number of chunks to the sums.

    Parameters
    ----------
    sums : CovarianceSums
    settings : Settings
    first : int
        Number of the first row, counted from 1.
    rows : StreamRows
    path, means : ndarray, shape (n, d)
        The iterate and the running average after each row.
    before : ndarray, shape (d,)
        The running average before the first row.
    real : int
        Rows that count; the others fill up the last chunk.
    origin : int, optional
        Rows before the average starts; the burn-in by default.
    apart : bool ndarray, shape (n,), optional
        Rows that moved nothing and count as rows before the average.

    Returns
    -------
    CovarianceSums
    """
    n = len(rows)
    number = np.arange(first, first + n)
    index = number - (settings.burn_in if origin is None else origin)
    live = np.arange(n) < real
    index[real:] = 0
    kept = index >= 1 if apart is None else (index >= 1) & ~apart
    whole = bool(kept.all())
    met = np.concatenate([before[None], means[:-1]])
    if settings.adaptive and index[0] < 1:
        # Before there is an average, the first fit is a better place to meet a row at than the last iterate.
        met = np.where(kept[:, None], met, settings.start_values())
    at = row_dots(rows.G, met)
    slope = psi(at, rows.c, settings)
    curve = curvature(at, rows.c, np.where(kept, index, number), settings)
    # Weighted regressors and linearised targets: the Newton step of the rows from the point they were met at.
    both = np.column_stack([rows.G, rows.c if settings.loss == "squared" else at])
    if settings.loss != "squared":
        both *= np.reshape(curve, (-1, 1))
        both[:, -1] -= slope
    if sums.gram.size:
        flat = np.column_stack([settings.curvature * rows.G, settings.curvature * at - slope])
        sums = replace(sums, gram=_add(sums.gram, rows.F * live[:, None], flat))
    before_average = live & ~kept
    if not whole and before_average.any():
        sums = replace(sums, early=_add(sums.early, rows.F * before_average[:, None], both))
    if not kept.any():
        return sums
    e = slope if whole else np.where(kept, slope, 0.0)
    scores = rows.F * e[:, None]
    if index[0] <= 1:  # the average starts in these rows; the last iterate before it is the origin
        start = 1 - index[0]
        sums = replace(sums, reference=(path[start - 1] if start else before).copy())
    if settings.loss == "logistic":
        sums = replace(sums, wrong=np.asarray(sums.wrong + np.count_nonzero(kept & ((at > 0.0) != (rows.c > 0.5)))))
    total = _add(np.column_stack([sums.jacobian, sums.target]), rows.F if whole else rows.F * kept[:, None], both)
    sums = replace(
        sums, jacobian=total[:, :-1].copy(), target=total[:, -1].copy(), noise=_add(sums.noise, scores, scores)
    )
    if "hac" in settings.keep:
        sums = _lags(sums, settings, scores, np.where(kept, rows.episode, -1))
    if "random-scaling" in settings.keep:
        sums = _scaling(sums, index, kept, means)
    if "batch-means" in settings.keep:
        sums = _batches(sums, settings, index, kept, path)
    return sums


def _lags(sums: CovarianceSums, settings: Settings, scores: np.ndarray, episode: np.ndarray) -> CovarianceSums:
    lags = settings.lags
    both = np.concatenate([sums.last, scores])
    label = np.concatenate([sums.last_episode, episode])
    lagged = np.empty_like(sums.lagged)
    for lag in range(lags + 1):
        earlier = both[lags - lag : len(both) - lag]
        same = (label[lags - lag : len(label) - lag] == episode)[:, None]
        lagged[lag] = _add(sums.lagged[lag], scores, np.where(same, earlier, 0.0))
    keep = len(both) - lags
    return replace(sums, lagged=lagged, last=both[keep:].copy(), last_episode=label[keep:].copy())


def _scaling(sums: CovarianceSums, index: np.ndarray, kept: np.ndarray, means: np.ndarray) -> CovarianceSums:
    s = np.where(kept, index, 0).astype(np.float64)[:, None]
    scaled = s * (means - sums.reference)
    return replace(
        sums,
        scaling=_add(sums.scaling, scaled, scaled),
        scaling_mean=_add(sums.scaling_mean[:, None], scaled, s)[:, 0],
        scaling_count=np.asarray(_add(np.reshape(sums.scaling_count, (1, 1)), s, s)[0, 0]),
    )


def batch_starts(upto: int, power: float) -> np.ndarray:
    """Averaged rows at which a batch begins: floor(m ** (2 / (1 - power))), m = 1, 2, ..., up to a row."""
    growth = 2.0 / (1.0 - power)
    m = np.arange(1, int(upto ** (1.0 / growth)) + 2, dtype=np.float64)
    starts = np.floor(m**growth)
    return starts[starts <= upto].astype(np.int64)


def _batches(
    sums: CovarianceSums, settings: Settings, index: np.ndarray, kept: np.ndarray, path: np.ndarray
) -> CovarianceSums:
    starts = batch_starts(int(index.max()), settings.power)
    fresh = np.isin(index, starts)
    begin = starts[np.maximum(np.searchsorted(starts, index, side="right") - 1, 0)]
    length = np.where(kept, index - begin + 1, 0).astype(np.float64)[:, None]
    moved = np.where(kept[:, None], path - sums.reference, 0.0)
    size = slab_size(len(index))
    fresh = pad_axis(fresh.astype(np.float64), size)
    totals = running_batches(sums.batch_partial, pad_axis(moved, size), fresh)[: len(index)]
    ones = kept.astype(np.float64)[:, None]
    counted = totals * ones
    v = _add(sums.batch_counts[:1, None], length, ones)[0, 0]
    q = _add(sums.batch_counts[1:, None], length, length)[0, 0]
    return replace(
        sums,
        batch=_add(sums.batch, counted, counted),
        batch_mean=_add(sums.batch_mean[:, None], counted, length)[:, 0],
        batch_counts=np.array([v, q]),
        batch_partial=totals[-1].copy(),
    )
