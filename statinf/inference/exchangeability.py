"""Testing exchangeability row by row: conformal p-values with a growing bag, and a martingale that bets against them.

If scores arrive exchangeably, the p-value of each among those up to it, its ties broken at random, is uniform and
independent of the p-values before it (Vovk, Nouretdinov and Gammerman, 2003). A density chosen from the past p-values
and paid at the next one then multiplies to a martingale, whose largest value exceeds c with a probability of at most 1/c
(Ville's inequality). The density here is a plug-in one (Fedorova, Gammerman, Nouretdinov and Vovk, 2012, arXiv
1204.3251): histograms of several resolutions and memories, mixed with shares that follow what each has earned (Herbster
and Warmuth, 1998). Each is constant on equal bins with heights that average to one, so the factor integrates to one.
"""

from __future__ import annotations

import numpy as np

from statinf.numerics.order.running import RunningOrder

BINS = (2, 4, 8, 16)
"""Numbers of equal bins, each twice the one before it."""
MEMORIES = (1.0, 0.98)
"""How much of a count is left one row later: histograms of all rows, and of about the last fifty."""
_PRIOR = 0.5
_SHARE = 1e-3
"""What every bet gives up at each row, to be spread evenly: a change that comes late still finds money on every bet."""
_ROWS, _SCALED = 256, 16
"""Rows per block of the counts, and per rescaling of the shares: neither can then leave the range of floats."""


def earlier_counts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many earlier values are smaller than each value (n,), and how many are equal to it (n,).

    Examples
    --------
    >>> import numpy as np
    >>> earlier_counts(np.array([2.0, 1.0, 2.0, 3.0]))
    (array([0, 0, 1, 3]), array([0, 0, 1, 0]))
    """
    order = RunningOrder.of(values)
    return (order.before - order.ties).astype(np.intp), order.ties.astype(np.intp)


def growing_p_values(calibration: np.ndarray, scores: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Conformal p-value (m,) of each new score among the calibration scores, the new ones before it, and itself.

    Parameters
    ----------
    calibration : ndarray, shape (n,)
    scores : ndarray, shape (m,)
        In the order of their arrival.
    draws : ndarray, shape (m,)
        Uniform numbers: how much of the ties, a score's tie with itself among them, counts.
    """
    old = np.sort(calibration)
    left, right = np.searchsorted(old, scores, "left"), np.searchsorted(old, scores, "right")
    below, equal = earlier_counts(scores)
    before = len(old) + np.arange(len(scores))
    ties = equal + right - left
    return (before - below - left - ties + draws * (ties + 1)) / (before + 1)


def bets(p_values: np.ndarray) -> np.ndarray:
    """Density (m, bets) at each p-value (m,) of every bet, known before it: first the uniform law, then the histograms."""
    m, finest = len(p_values), max(BINS)
    at, rows = np.minimum((p_values * finest).astype(np.intp), finest - 1), np.arange(m)
    hits = np.zeros((finest, m))
    hits[at, rows] = 1.0
    out: dict[tuple[int, float], np.ndarray] = {}
    for memory in MEMORIES:
        seen = _remembered(hits, memory)
        total = seen.sum(axis=0)
        for count in sorted(BINS, reverse=True):
            # Two fine bins make a coarse one.
            while len(seen) > count:
                seen = seen[::2] + seen[1::2]
            own = seen[at // (finest // count), rows]
            out[count, memory] = count * (own + _PRIOR) / (total + count * _PRIOR)
    return np.column_stack([np.ones(m), *(out[count, memory] for count in BINS for memory in MEMORIES)])


def _remembered(hits: np.ndarray, memory: float) -> np.ndarray:
    """Sums of the earlier columns of an array (k, m), each times `memory` once per column in between."""
    k, m = hits.shape
    if memory == 1.0:
        return np.cumsum(hits, axis=1) - hits
    blocks = np.zeros((k, -(-m // _ROWS), _ROWS))
    blocks.reshape(k, -1)[:, :m] = hits
    # Within a block a sum over growing powers of 1/memory is brought back by a power of memory.
    power = memory ** np.arange(_ROWS + 1.0)
    grown = np.cumsum(blocks / power[:-1], axis=2)
    before = np.zeros((k, blocks.shape[1], 1))
    for i in range(1, before.shape[1]):
        before[:, i] = grown[:, i - 1, -1:] * power[-2] + before[:, i - 1] * power[-1]
    blocks[:, :, 1:] = grown[:, :, :-1] * power[:-2]
    blocks[:, :, 0] = 0.0
    return (blocks + before * power[:-1]).reshape(k, -1)[:, :m]


def log_martingale(p_values: np.ndarray) -> np.ndarray:
    """Natural logarithm (m,) of the martingale after each p-value (m,); it starts at zero.

    Examples
    --------
    >>> import numpy as np
    >>> bool(log_martingale(np.full(50, 0.01))[-1] > np.log(100.0))
    True
    """
    return np.cumsum(np.log(_factors(bets(np.asarray(p_values, np.float64)))))


def _factors(densities: np.ndarray) -> np.ndarray:
    """What the mixture of bets with densities (m, K) multiplies the martingale by at each row, shape (m,).

    Unnormalised shares are linear in those before. Rows are cut into blocks, through which the images of all K bets go side by
    side; from them follow the shares at each block's start, and then all blocks are run through at once.
    """
    m, K = densities.shape
    steps = max(1, int(np.ceil(np.sqrt(m))))
    rows = np.ones((-(-m // steps), steps, K))
    rows.reshape(-1, K)[:m] = densities
    image = np.tile(np.eye(K), (len(rows), 1, 1))
    for j in range(steps):
        image = _shared(rows[:, j, :, None] * image)
        if j % _SCALED == 0:
            image = image / image.max(axis=(1, 2), keepdims=True)
    share = np.full((len(rows), K), 1.0 / K)
    for i in range(1, len(rows)):
        share[i] = image[i - 1] @ share[i - 1]
        share[i] /= share[i].sum()
    factors = np.empty(rows.shape[:2])
    for j in range(steps):
        earned = share * rows[:, j]
        factors[:, j] = earned.sum(axis=1)
        share = _shared(earned / factors[:, j, None])
    return factors.reshape(-1)[:m]


def _shared(earned: np.ndarray) -> np.ndarray:
    """Earnings (blocks, K, ...) after every bet has given up its part to all."""
    return (1.0 - _SHARE) * earned + _SHARE / earned.shape[1] * earned.sum(axis=1, keepdims=True)
