"""P-values of several hypotheses, adjusted so that errors of the whole family are controlled.

Bonferroni, Sidak, Holm (1979), Hochberg (1988) and Hommel (1988) bound the chance of any false rejection, Benjamini and
Hochberg (1995, "bh") and Benjamini and Yekutieli (2001, "by") the expected share of false rejections among all. Romano and
Wolf (2005, Econometrica 73; 2016, Statistics and Probability Letters 113) use the dependence of the statistics: the step-down
method compares each statistic with the largest draw among the hypotheses that are not rejected before it.
"""

from __future__ import annotations

import numpy as np

from statinf.inference.inversion import SLACK

STEPWISE = ("holm", "hochberg", "hommel", "bh", "by", "bonferroni", "sidak")
"""Methods that need nothing but the p-values."""


def adjusted(p: np.ndarray, method: str) -> np.ndarray:
    """Adjusted p-values, shape (m,); NaN stay and do not count.

    Parameters
    ----------
    p : ndarray, shape (m,)
    method : str
        One of `STEPWISE`.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.inference.multiplicity import adjusted
    >>> adjusted(np.array([0.01, 0.04, 0.03]), "holm")
    array([0.03, 0.06, 0.06])
    """
    out, there = np.full(len(p), np.nan), ~np.isnan(p)
    out[there] = _adjusted(p[there], method)
    return out


def _adjusted(p: np.ndarray, method: str) -> np.ndarray:
    m = len(p)
    if m == 0:
        return p
    if method == "bonferroni":
        return np.minimum(1.0, m * p)
    if method == "sidak":
        with np.errstate(divide="ignore"):
            return -np.expm1(m * np.log1p(-p))
    order = np.argsort(p, kind="stable")
    ranked, rank = p[order], np.arange(1, m + 1)
    if method == "holm":
        made = np.maximum.accumulate((m - rank + 1) * ranked)
    elif method == "hommel":
        made = _hommel(ranked)
    else:
        weight = {
            "hochberg": m - rank + 1.0,
            "bh": m / rank,
            "by": m / rank * (1.0 / rank).sum(),
        }[method]
        made = np.minimum.accumulate((weight * ranked)[::-1])[::-1]
    out = np.empty(m)
    out[order] = np.minimum(1.0, made)
    return out


def _hommel(ranked: np.ndarray) -> np.ndarray:
    """Hommel's p-values of ascending p-values: the largest Simes p-value of the sets that hold each hypothesis."""
    m = len(ranked)
    made = np.full(m, (m * ranked / np.arange(1, m + 1)).min())
    for size in range(m - 1, 1, -1):
        last = np.arange(m - size + 1, m)
        least = (size * ranked[last] / np.arange(2, size + 1)).min()
        simes = np.empty(m)
        simes[: m - size + 1] = np.minimum(size * ranked[: m - size + 1], least)
        simes[last] = simes[m - size]
        made = np.maximum(made, simes)
    return np.maximum(made, ranked)


def step_down(statistics: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Romano and Wolf's step-down p-values, shape (m,).

    Parameters
    ----------
    statistics : ndarray, shape (m,)
        Large where a hypothesis fails.
    draws : ndarray, shape (b, m)
        The same statistics, centred at their null values, in each draw.

    Returns
    -------
    ndarray, shape (m,)
        (1 + the number of draws whose largest statistic among the hypotheses not yet rejected is at least this one) / (1 + b).
    """
    order = np.argsort(-statistics, kind="stable")
    largest = np.maximum.accumulate(draws[:, order[::-1]], axis=1)[:, ::-1]
    bound = statistics[order] * (1.0 - SLACK)
    shares = (1.0 + np.count_nonzero(largest >= bound, axis=0)) / (1.0 + len(draws))
    out = np.empty(len(statistics))
    out[order] = np.maximum.accumulate(shares)
    return out
