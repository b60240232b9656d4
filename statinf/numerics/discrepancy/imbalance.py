"""How far two weighted groups differ, column by column: the statistics of R cobalt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DENOMINATORS = {"ATE": "pooled", "ATT": "treated", "ATC": "control"}
"""Standard deviation behind the standardised difference; "weighted" for every other estimand."""


@dataclass(frozen=True)
class Imbalance:
    """Statistics of every column, each of shape (p,).

    Attributes
    ----------
    binary : ndarray of bool
        Columns with the two values 0 and 1.
    mean1, mean0 : ndarray
        Weighted means of the treated and the controls.
    sd : ndarray
        Denominator of the standardised difference.
    smd : ndarray
        Difference in means over `sd`.
    difference : ndarray
        Difference in means as it is.
    variance_ratio : ndarray
        Treated over control; NaN for binary columns.
    ks : ndarray
        Largest difference between the weighted distribution functions; for binary columns the difference in shares.
    """

    binary: np.ndarray
    mean1: np.ndarray
    mean0: np.ndarray
    sd: np.ndarray
    smd: np.ndarray
    difference: np.ndarray
    variance_ratio: np.ndarray
    ks: np.ndarray


def is_binary(x: np.ndarray) -> np.ndarray:
    """Whether each column has no other values than 0 and 1, shape (p,)."""
    return np.all((x == 0.0) | (x == 1.0), axis=0)


def weighted_variance(x: np.ndarray, w: np.ndarray, binary: np.ndarray) -> np.ndarray:
    """Reliability-weighted variance, ``p (1 - p)`` for binary columns, shape (p,)."""
    total = w.sum()
    mean = w @ x / total
    raw = w @ (x - mean) ** 2
    unbiased = raw * total / max(total**2 - w @ w, 1e-300)
    return np.where(binary, mean * (1.0 - mean), unbiased)


def denominator(x: np.ndarray, treated: np.ndarray, s: np.ndarray, w: np.ndarray, kind: str) -> np.ndarray:
    """Standard deviations for standardised differences, shape (p,); zero where a column does not vary.

    Parameters
    ----------
    s : ndarray, shape (n,)
        Sampling weights, behind "treated", "control", "pooled" and "all".
    w : ndarray, shape (n,)
        Balancing weights, behind "weighted".
    kind : {"treated", "control", "pooled", "all", "weighted"}
    """
    binary = is_binary(x)
    if kind == "weighted":
        return np.sqrt(weighted_variance(x, w, binary))
    if kind == "all":
        return np.sqrt(weighted_variance(x, s, binary))
    one = weighted_variance(x[treated], s[treated], binary)
    two = weighted_variance(x[~treated], s[~treated], binary)
    return np.sqrt({"treated": one, "control": two, "pooled": (one + two) / 2}[kind])


def denominators(
    x: np.ndarray, treated: np.ndarray, s: np.ndarray, w: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations that are not zero where a column varies at all, and the kind of each, both of shape (p,).

    A column that is constant in the group whose standard deviation was asked for, such as a category that no treated row
    has, takes that of both arms pooled, and failing that the one of the whole sample.
    """
    kinds, sd = np.full(x.shape[1], kind, dtype=object), denominator(x, treated, s, w, kind)
    left = np.arange(x.shape[1])
    for now, wider in ((kind, "pooled"), ("pooled", "all")):
        left = left[_constant(x[:, left], treated, w if now == "weighted" else s, now) | ~(sd[left] > 0.0)]
        if now == wider or len(left) == 0:
            continue
        sd[left], kinds[left] = denominator(x[:, left], treated, s, w, wider), wider
    return sd, kinds


def arm_denominators(
    x: np.ndarray, codes: np.ndarray, s: np.ndarray, w: np.ndarray, kind: str, treated: int, arms: int
) -> tuple[np.ndarray, np.ndarray]:
    """`denominators` with any number of arms, coded from 0, the reference: "pooled" is the mean of all arms' variances.

    Parameters
    ----------
    treated : int
        The arm behind "treated"; 0 is the one behind "control".
    """
    masks = [codes == k for k in range(arms)]
    groups = {"treated": [masks[treated]], "control": [masks[0]], "pooled": masks}
    binary = is_binary(x)
    sd, kinds = np.zeros(x.shape[1]), np.full(x.shape[1], kind, dtype=object)
    left = np.arange(x.shape[1])
    for now in dict.fromkeys((kind, "pooled", "all")):
        weights = w if now == "weighted" else s
        used = weights > 0
        rows = [used & mask for mask in groups.get(now, [np.ones(len(x), dtype=bool)])]
        some, flags = x[:, left], binary[left]
        variances = [weighted_variance(some[r], weights[r], flags) for r in rows]
        sd[left], kinds[left] = np.sqrt(np.mean(variances, axis=0)), now
        flat = np.all([np.ptp(some[r], axis=0) == 0.0 for r in rows], axis=0) | ~(sd[left] > 0.0)
        left = left[flat]
        if len(left) == 0:
            break
    return sd, kinds


def _constant(x: np.ndarray, treated: np.ndarray, weights: np.ndarray, kind: str) -> np.ndarray:
    """Which columns have one value in each group whose variance `kind` takes, shape (p,)."""
    used = weights > 0
    arms = {"treated": (treated,), "control": (~treated,), "pooled": (treated, ~treated)}.get(kind, (np.True_,))
    return np.all([np.ptp(x[used & arm], axis=0) == 0.0 for arm in arms], axis=0)


def imbalance(x: np.ndarray, treated: np.ndarray, w: np.ndarray, sd: np.ndarray) -> Imbalance:
    """Differences between treated and controls under weights `w`, standardised by `sd`."""
    return imbalances(x, treated, (w,), sd)[0]


def imbalances(
    x: np.ndarray, treated: np.ndarray, weights: Sequence[np.ndarray], sd: np.ndarray
) -> tuple[Imbalance, ...]:
    """`imbalance` under each of several weights; the columns are put in order once."""
    binary = is_binary(x)
    signed = [np.where(treated, w / w[treated].sum(), -w / w[~treated].sum()) for w in weights]
    gaps = np.zeros((len(signed), x.shape[1]))
    for j in np.flatnonzero(~binary):
        gaps[:, j] = _ks(x[:, j], signed)
    x1, x0 = x[treated], x[~treated]
    # About a value of the column: far from zero the difference would drown in the means' rounding.
    centre = np.where(binary, 0.0, x[0])
    out = []
    for w, ks in zip(weights, gaps, strict=True):
        w1, w0 = w[treated], w[~treated]
        from1, from0 = w1 @ (x1 - centre) / w1.sum(), w0 @ (x0 - centre) / w0.sum()
        mean1, mean0, difference = centre + from1, centre + from0, from1 - from0
        with np.errstate(divide="ignore", invalid="ignore"):
            smd = np.where(difference == 0.0, 0.0, difference / sd)
            ratio = weighted_variance(x1, w1, binary) / weighted_variance(x0, w0, binary)
        ks = np.where(binary, np.abs(difference), ks)
        out.append(Imbalance(binary, mean1, mean0, sd, smd, difference, np.where(binary, np.nan, ratio), ks))
    return tuple(out)


def _ks(column: np.ndarray, signed: Sequence[np.ndarray]) -> list[float]:
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    last_of_value = np.r_[ordered[1:] != ordered[:-1], True]
    return [float(np.max(np.abs(np.cumsum(each[order])[last_of_value]))) for each in signed]


def effective_size(w: np.ndarray) -> float:
    """Kish's effective sample size ``(sum w)^2 / sum w^2``."""
    return float(w.sum() ** 2 / max(w @ w, 1e-300))
