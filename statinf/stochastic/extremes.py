"""The rows of a stream with the most leverage, kept so that a finished average can be held against the batch fit.

The one-pass sums meet each row at the running average of its time. For most rows that is as good as the end; a few rows
that decide a coefficient by themselves are met while it is still wrong. These are kept, and met again at the end.
"""

from __future__ import annotations

import numpy as np

from statinf.stochastic.rows import StreamRows, row_dots
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import KEPT, Extremes
from statinf.stochastic.sums import curvature, psi


def most(h: np.ndarray, kept: Extremes) -> np.ndarray:
    """Rows of a slab with the largest leverage h (n,) that may be kept: the largest first, earlier ones where they tie."""
    least = float(kept.h.min()) if len(kept.h) >= KEPT else -np.inf
    found = np.flatnonzero(h > least)
    if len(found) > KEPT:
        size = h[found]
        found = found[size >= np.partition(size, len(size) - KEPT)[len(size) - KEPT]]
    return found[np.argsort(-h[found], kind="stable")][:KEPT]


def met(
    settings: Settings, rows: StreamRows, h: np.ndarray, means: np.ndarray, before: np.ndarray, top: np.ndarray, first: int,
    origin: int, apart: np.ndarray,
) -> Extremes:  # fmt: skip
    """Some rows `top` of a slab, with psi at the average before each.

    `first` numbers the slab's first row in the stream, whose average begins after `origin` rows. `apart` (n,) are rows that the
    sums of the noise leave out; the psi that is kept for them is zero, as it is in those sums.
    """
    number = first + top
    point = means[top - 1]
    point[top == 0] = before
    if number.min() <= origin:
        point = np.where((number > origin)[:, None], point, settings.start_values())
    at = row_dots(rows.G[top], point)
    slope = psi(at, rows.c[top], settings)
    curve = np.full(slope.shape, settings.curvature)
    if settings.loss != "quantile":
        curve[:] = curvature(at, rows.c[top], number, settings)
    target, slope = curve * at - slope, np.where(apart[top], 0.0, slope)
    return Extremes(rows.F[top], rows.G[top], rows.c[top], slope, curve, target, number, h[top])
