"""The rows of a stream with the most leverage, kept so that a finished average can be held against the batch fit.

The one-pass sums meet each row at the running average of its time. For most rows that is as good as the end; a few rows
that decide a coefficient by themselves are met while it is still wrong. These are kept, and met again at the end.
"""

from __future__ import annotations

import numpy as np

from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import KEPT, Extremes
from statinf.stochastic.sums import curvature, psi


def met(
    settings: Settings, rows: StreamRows, h: np.ndarray, means: np.ndarray, before: np.ndarray, number: np.ndarray,
    index: np.ndarray, apart: np.ndarray,
) -> Extremes:  # fmt: skip
    """The rows of a slab with the largest leverage h (n,), with psi at the average before each.

    `number` (n,) counts rows of the stream and `index` those of the average. `apart` (n,) are rows that the sums of the noise
    leave out; the psi that is kept for them is zero, as it is in those sums.
    """
    top = np.lexsort((number, -h))[:KEPT]
    point = np.where((top > 0)[:, None], means[top - 1], before)
    point = np.where((index[top] >= 1)[:, None], point, settings.start_values())
    at = (rows.G[top] * point).sum(axis=1)
    slope = psi(at, rows.c[top], settings)
    curve: np.ndarray | float = settings.curvature
    if settings.loss != "quantile":
        curve = curvature(at, rows.c[top], number[top], settings)
    curve = np.broadcast_to(curve, slope.shape).copy()
    target, slope = curve * at - slope, np.where(apart[top], 0.0, slope)
    return Extremes(rows.F[top], rows.G[top], rows.c[top], slope, curve, target, number[top], h[top])
