"""Bets against uniform p-values that arrive one by one: martingales, and alarms made of them.

The capital of a bettor who pays a density f(u), known before u, is a martingale under uniform u. Vovk, Petej, Nouretdinov,
Ahlberg, Carlsson and Gammerman (2021, arXiv 2102.10439) for the simple jumper, Vovk, Nouretdinov and Gammerman (2003, ICML)
for powers and their mixture. From a martingale follow a CUSUM and a Shiryaev-Roberts statistic, whose mean time to a false
alarm is at least the threshold (Volkhonskiy, Nouretdinov, Gammerman, Vovk and Burnaev 2017, arXiv 1706.03415).
"""

from __future__ import annotations

import numpy as np
from scipy import special

_SERIES = 400
_LEAST = float(np.finfo(float).tiny)


def jumper(p_values: np.ndarray, rate: float = 0.01) -> np.ndarray:
    """Logarithm of the capital of the simple jumper after each p-value (n,).

    Capital is spread over the bets 1 + e (u - 1/2), e = -1, 0, 1, and a share `rate` of it is spread anew at each row.
    """
    low = high = none = 1.0 / 3.0
    factors = np.empty(len(p_values))
    for i, u in enumerate((np.asarray(p_values, np.float64) - 0.5).tolist()):
        share = rate / 3.0
        low = ((1.0 - rate) * low + share) * (1.0 - u)
        none = (1.0 - rate) * none + share
        high = ((1.0 - rate) * high + share) * (1.0 + u)
        total = low + none + high
        factors[i] = total
        low, none, high = low / total, none / total, high / total
    return np.cumsum(np.log(factors))


def power(p_values: np.ndarray, epsilon: float = 0.92) -> np.ndarray:
    """Logarithm of the capital of the bet epsilon u^(epsilon - 1) after each p-value (n,)."""
    u = np.maximum(np.asarray(p_values, np.float64), _LEAST)
    return np.cumsum(np.log(epsilon) + (epsilon - 1.0) * np.log(u))


def mixture(p_values: np.ndarray) -> np.ndarray:
    """Logarithm of the capital of all power bets, spread evenly over epsilon in (0, 1), after each p-value (n,).

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(mixture(np.array([0.5]))).round(4).tolist()
    [0.6387]
    """
    u = np.maximum(np.asarray(p_values, np.float64), _LEAST)
    a = np.cumsum(-np.log(u))
    n = np.arange(1.0, len(u) + 1.0)
    # The integral of e^n exp(a (1 - e)) is gamma(n + 1, a) exp(a) / a^(n + 1).
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = a - (n + 1.0) * np.log(a) + special.gammaln(n + 1.0) + np.log(special.gammainc(n + 1.0, a))
    small = special.gammainc(n + 1.0, a) < 1e-200
    if small.any():
        # Where a is far below n the integral is a quickly converging series in a / n.
        at, count = a[small], n[small]
        term = np.ones(len(at))
        total = np.ones(len(at))
        for k in range(1, _SERIES):
            term = term * at / (count + 1.0 + k)
            total += term
        direct[small] = np.log(total / (count + 1.0))
    return direct


def cusum_of(logs: np.ndarray) -> np.ndarray:
    """Logarithm of the largest growth of a martingale since any earlier row, after each row (n,)."""
    before = np.concatenate([[0.0], logs[:-1]])
    return logs - np.minimum.accumulate(before)


def shiryaev_roberts_of(logs: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of a martingale's growths since all earlier rows, after each row (n,)."""
    before = np.concatenate([[0.0], logs[:-1]])
    return logs + np.logaddexp.accumulate(-before)
