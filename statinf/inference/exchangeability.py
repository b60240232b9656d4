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

BINS = (2, 4, 8, 16)
MEMORIES = (1.0, 0.98)
"""How much of a count is left one row later: histograms of all rows, and of about the last fifty."""
_PRIOR = 0.5
_SHARE = 1e-3
"""What every bet gives up at each row, to be spread evenly: a change that comes late still finds money on every bet."""


def earlier_counts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many earlier values are smaller than each value (n,), and how many are equal to it (n,).

    Blocks of times are halved: in every block the values of the right half count those of the left half.

    Examples
    --------
    >>> import numpy as np
    >>> earlier_counts(np.array([2.0, 1.0, 2.0, 3.0]))
    (array([0, 0, 1, 3]), array([0, 0, 1, 0]))
    """
    time = np.arange(len(values))
    below = _earlier(np.lexsort((-time, values)))
    return below, _earlier(np.lexsort((time, values))) - below


def _earlier(order: np.ndarray) -> np.ndarray:
    """How many smaller times precede each time in an order (n,)."""
    out, width = np.zeros(len(order), np.intp), 1
    while width < len(order):
        by = order[np.argsort(order // (2 * width), kind="stable")]
        right = (by // width) % 2 == 1
        # Blocks before this one are full and hold `width` left times each.
        out[by[right]] += np.cumsum(~right)[right] - by[right] // (2 * width) * width
        width *= 2
    return out


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
    from scipy.signal import lfilter

    m = len(p_values)
    out = [np.ones(m)]
    for count in BINS:
        bins = np.minimum((p_values * count).astype(np.intp), count - 1)
        for memory in MEMORIES:
            own, total = np.zeros(m), np.zeros(m)
            for k in range(count):
                hit = bins == k
                seen = np.asarray(lfilter([0.0, 1.0], [1.0, -memory], hit.astype(np.float64)))
                own[hit] = seen[hit]
                total += seen
            out.append(count * (own + _PRIOR) / (total + count * _PRIOR))
    return np.column_stack(out)


def log_martingale(p_values: np.ndarray) -> np.ndarray:
    """Natural logarithm (m,) of the martingale after each p-value (m,); it starts at zero.

    Examples
    --------
    >>> import numpy as np
    >>> bool(log_martingale(np.full(50, 0.01))[-1] > np.log(100.0))
    True
    """
    densities = bets(np.asarray(p_values, np.float64))
    share = np.full(densities.shape[1], 1.0 / densities.shape[1])
    factors = np.empty(len(densities))
    for t, density in enumerate(densities):
        earned = share * density
        factors[t] = factor = earned.sum()
        share = (1.0 - _SHARE) * earned / factor + _SHARE / len(share)
    return np.cumsum(np.log(factors))
