"""Whole clusters' leverages: their corrections CR2 and CR3, for all clusters of about one size at a time.

In orthonormal columns Q the correction of Bell and McCaffrey (2002) is A_g = (I - Q_g Q_g')^(-1/2), or ^-1 for the jackknife;
with Q_g Q_g' = U S U' it leaves what lies outside of U alone. Clusters of fewer rows than columns go by Q_g Q_g', others by
Q_g'Q_g = V S V', for which Q_g'A_g e_g = V (1 - S)^(-1/2) V'(Q_g'e_g) needs the sum of scores alone. Where the variances of
the working model differ within a cluster CR2 is another root; see `cluster_roots`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from statinf.inference.cluster_roots import rooted
from statinf.inference.satterthwaite import ClusterPart

POWER = {"HC0": 0.0, "HC1": 0.0, "HC2": -0.5, "HC3": -1.0}
_TOGETHER = 1 << 21
"""Numbers of rows by columns that are padded and decomposed at a time."""
_WHOLE = 1e-10
"""Share of a direction outside of a cluster below which the cluster alone determines it."""


def corrected_clusters(
    rows: np.ndarray, scores: np.ndarray, codes: np.ndarray, power: float, variance: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[ClusterPart, ...], np.ndarray]:
    """Sums of corrected scores by cluster, shape (groups, q), what degrees of freedom need of the clusters, and their order there.

    Parameters
    ----------
    rows : ndarray, shape (n, q)
        Columns that are orthonormal under the weights, times the roots of the weights.
    scores : ndarray, shape (n, q)
        These rows times the residuals, in the same scale.
    codes : ndarray of int, shape (n,)
        Clusters, from 0 without gaps.
    power : float
        -1/2 for CR2, -1 for CR3, 0 for none.
    variance : ndarray, shape (n,), optional
        Of the rows under the working model; only how it differs within clusters counts, and for CR2 alone.
    """
    order = np.argsort(codes, kind="stable")
    rows, scores = rows[order], scores[order]
    starts = np.searchsorted(codes[order], np.arange(int(codes.max()) + 2))
    sums = np.empty((len(starts) - 1, rows.shape[1]))
    parts, places = [], []
    spread = variance[order] if variance is not None and power == POWER["HC2"] else None
    differ = np.zeros(len(sums), bool) if spread is None else _differ(spread, starts)
    for kind in (False, True):
        groups = np.flatnonzero(differ == kind)
        for some in _alike(np.diff(starts)[groups], rows.shape[1]):
            members = groups[some]
            at, inside = _places(starts, members)
            block = rows[at] * inside[:, :, None], scores[at] * inside[:, :, None]
            if kind:
                assert spread is not None
                made, part = rooted(*block, np.where(inside, spread[at] / spread[at[:, :1]], 1.0))
            else:
                made, part = _some(*block, power)
            sums[members] = made
            parts.append(part)
            places.append(members)
    return sums, tuple(parts), np.concatenate(places)


def _differ(spread: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Which clusters' variances differ within them."""
    low, high = np.minimum.reduceat(spread, starts[:-1]), np.maximum.reduceat(spread, starts[:-1])
    return high > low * (1.0 + 1e-12)


def _alike(sizes: np.ndarray, q: int) -> Iterator[np.ndarray]:
    """Clusters of about one size, few enough to be padded together."""
    order = np.argsort(sizes, kind="stable")
    sorted_sizes = sizes[order]
    first = 0
    while first < len(order):
        smallest = int(sorted_sizes[first])
        # Below q rows the small matrix is used, whose size is the largest cluster's.
        limit = min(2 * smallest, q - 1) if smallest < q else 2 * smallest + 8
        last = int(np.searchsorted(sorted_sizes, max(limit, smallest), side="right"))
        while last - first > 1 and (last - first) * int(sorted_sizes[last - 1]) * q > _TOGETHER:
            last = first + max(1, (last - first) // 2)
        yield order[first:last]
        first = last


def _places(starts: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of some clusters' rows, shape (clusters, rows of the largest), and which of them there are."""
    sizes = (starts[1:] - starts[:-1])[members]
    place = np.arange(int(sizes.max()))
    inside = place < sizes[:, None]
    return np.where(inside, starts[members][:, None] + place, starts[members][:, None]), inside


def _some(rows: np.ndarray, scores: np.ndarray, power: float) -> tuple[np.ndarray, ClusterPart]:
    turned = rows.transpose(0, 2, 1)
    if rows.shape[1] < rows.shape[2]:
        share, vectors = np.linalg.eigh(rows @ turned)
        gain = _gain(share, power)
        factor = vectors.transpose(0, 2, 1) @ rows
        length = np.einsum("gsq,gsq->gs", rows, rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = np.where(length > 0, np.einsum("gsq,gsq->gs", rows, scores) / length, 0.0)
        along = np.einsum("gsr,gs->gr", vectors, residual)
        sums = np.einsum("grq,gr->gq", factor, gain * along)
        return sums, (factor, factor * gain[:, :, None])
    share, vectors = np.linalg.eigh(turned @ rows)
    gain = _gain(share, power)
    along = np.einsum("gqr,gq->gr", vectors, scores.sum(axis=1))
    sums = np.einsum("gqr,gr->gq", vectors, gain * along)
    factor = vectors.transpose(0, 2, 1) * np.sqrt(np.maximum(share, 0.0))[:, :, None]
    return sums, (factor, factor * gain[:, :, None])


def _gain(share: np.ndarray, power: float) -> np.ndarray:
    """(1 - S)^power; a direction that the cluster alone determines carries no residual, and the pseudo-inverse drops it."""
    left = 1.0 - share
    if power == 0.0:
        return np.ones_like(left)
    return np.where(left > _WHOLE, np.maximum(left, _WHOLE) ** power, 0.0)
