"""Which columns moved: a test and an effect size for each variable of a formula.

Kolmogorov-Smirnov for numbers, chi-square for categories and for numbers of two values such as 0/1, with the false discovery
rate held by the procedure of Benjamini and Hochberg (1995, Journal of the Royal Statistical Society B 57). With weights that
differ both statistics are of weighted shares, and their p-values by random signs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks, rows_per_chunk
from statinf.brief import Brief
from statinf.formula.columns import Numeric
from statinf.formula.frame import Categorical, as_frame
from statinf.shifts.permutation import p_value, signed_masses, weighted_mass
from statinf.shifts.samples import Samples

_EXACT = 10_000_000
"""Rows of the smaller sample times all rows, up to which p-values of tied numbers are exact."""
Absent = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Rows of source and target frame, by variable, whose value was filled in."""


@dataclass(frozen=True, repr=False)
class ColumnTests(Brief):
    """One row per variable.

    Attributes
    ----------
    names, tests : tuple of str
        Variables, and "KS" or "chi-square".
    statistic, p_value, adjusted, effect : ndarray, shape (k,)
        The effect is target minus source in standard deviations of the source for numbers, those of two values too, and
        the largest difference of a share for categories.
    """

    names: tuple[str, ...]
    tests: tuple[str, ...]
    statistic: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray
    effect: np.ndarray


@dataclass(frozen=True, repr=False)
class ColumnParts(Brief):
    """A variable in both samples, (n,) and (m,), with the weights of its rows.

    `draws` is the number of random signs where weights differ within a sample, and None where they do not.
    """

    a: np.ndarray
    b: np.ndarray
    wa: np.ndarray
    wb: np.ndarray
    draws: int | None
    seed: int

    def forms(self, function: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
        """A statistic of signed masses (B, n + m) as it was observed, and its p-value."""
        first = np.arange(len(self.a) + len(self.b)) < len(self.a)
        share = np.concatenate([self.wa / self.wa.sum(), self.wb / self.wb.sum()])
        observed = float(function(weighted_mass(first, share))[0])
        assert self.draws is not None
        null = np.empty(self.draws)
        for part in chunks(self.draws, rows_per_chunk(8.0 * len(first) * 4)):
            null[part] = function(signed_masses(first, share, part.stop - part.start, self.seed, part.start))
        return observed, p_value(observed, null)


def column_tests(samples: Samples, draws: int | None = None, absent: Absent | None = None) -> ColumnTests:
    """Test every variable that the formula names.

    Parameters
    ----------
    samples : Samples
    draws : int, optional
        Random signs, for weights that differ within a sample.
    absent : mapping of str to (ndarray of bool, ndarray of bool), optional
        Rows of either frame whose value of a variable was filled in: they are left out of that variable's test.
    """
    from scipy.stats import false_discovery_control

    names = samples.recipe.columns
    frame = as_frame(samples.target.frame, list(names))
    rows = samples.source.rows[samples.at_source], samples.target.rows[samples.at_target]
    found = []
    for name in names:
        pair = samples.source.frame.column(name), frame.column(name)
        gone = absent[name] if absent and name in absent else (np.zeros(0, bool),) * 2
        keep = [~g[r] if len(g) else np.ones(len(r), bool) for g, r in zip(gone, rows, strict=True)]
        numbers = not any(isinstance(column, Categorical) for column in pair)
        a, b = (
            (np.asarray(column.values[r]) if numbers and isinstance(column, Numeric) else _labels(column, r))[k]
            for column, r, k in zip(pair, rows, keep, strict=True)
        )
        if not min(len(a), len(b)):
            found.append(("KS" if numbers else "chi-square", np.nan, 1.0, np.nan))
            continue
        parts = ColumnParts(a, b, samples.ws[keep[0]], samples.wt[keep[1]], draws, samples.seed)
        found.append((_numbers if numbers else _shares)(parts))
    statistic, p, effect = (np.array([row[k] for row in found], dtype=np.float64) for k in (1, 2, 3))
    return ColumnTests(names, tuple(row[0] for row in found), statistic, p, false_discovery_control(p), effect)


def _numbers(parts: ColumnParts) -> tuple[str, float, float, float]:
    from scipy.stats import ks_2samp

    a, b = parts.a, parts.b
    kind = "KS"
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    last = np.append(np.diff(pooled[order]) > 0, True)
    # The law of the statistic for continuous numbers gives p-values that are too large where there are ties.
    if last.sum() == 2:
        kind, statistic, p, _ = _shares(parts)
    elif parts.draws is None:
        tested = ks_2samp(a, b)
        statistic, p = float(tested.statistic), float(tested.pvalue)
        if not last.all() and min(len(a), len(b)) * len(pooled) <= _EXACT:
            p = tied_p_value(statistic, min(len(a), len(b)), max(len(a), len(b)), last)
    else:

        def largest(u: np.ndarray) -> np.ndarray:
            return np.abs(np.cumsum(u[:, order], axis=1)[:, last]).max(axis=1)

        statistic, p = parts.forms(largest)
    near_a, near_b = a - a[0], b - a[0]
    means = np.average(near_a, weights=parts.wa), np.average(near_b, weights=parts.wb)
    spread = [
        float(np.average((v - v_mean) ** 2, weights=w)) ** 0.5
        for v, v_mean, w in ((near_a, means[0], parts.wa), (near_b, means[1], parts.wb))
    ]
    return kind, statistic, p, float((means[1] - means[0]) / (spread[0] or spread[1] or 1.0))


def tied_p_value(statistic: float, n: int, m: int, last: np.ndarray) -> float:
    """Exact p-value of a Kolmogorov-Smirnov statistic, given which numbers are tied (Schröer and Trenkler 1995).

    Parameters
    ----------
    statistic : float
    n, m : int
        Rows of either sample.
    last : ndarray of bool, shape (n + m,)
        Whether a row of the pooled sample, in ascending order, is the last of those tied with it.
    """
    first = np.arange(n + 1.0)
    chance, beyond = np.zeros(n + 1), 0.0
    chance[0] = 1.0
    for k in range(n + m):
        other = chance * (m - k + first) / (n + m - k)
        other[1:] += chance[:-1] * (n - first[:-1]) / (n + m - k)
        chance = other
        if last[k]:
            out = np.abs(first / n - (k + 1 - first) / m) >= statistic - 1e-9
            beyond += float(chance[out].sum())
            chance[out] = 0.0
    return min(beyond, 1.0)


def _shares(parts: ColumnParts) -> tuple[str, float, float, float]:
    from scipy.stats import chi2_contingency

    a, b = parts.a, parts.b
    levels, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    if len(levels) == 1:
        return "chi-square", 0.0, 1.0, 0.0
    groups = codes[: len(a)], codes[len(a) :]
    share = np.stack(
        [np.bincount(g, w, len(levels)) / w.sum() for g, w in zip(groups, (parts.wa, parts.wb), strict=True)]
    )
    effect = float(np.abs(share[1] - share[0]).max())
    if parts.draws is None:
        counts = np.stack([np.bincount(g, minlength=len(levels)) for g in groups])
        tested = chi2_contingency(counts, correction=False)
        return "chi-square", float(tested.statistic), float(tested.pvalue), effect
    # The usual statistic, with the numbers of equally weighted rows that would say as much (Kish).
    n, m = (w.sum() ** 2 / (w @ w) for w in (parts.wa, parts.wb))
    pooled = (n * share[0] + m * share[1]) / (n + m)
    member = (codes[:, None] == np.arange(len(levels))).astype(np.float64)
    statistic, p = parts.forms(lambda u: n * m / (n + m) * ((u @ member) ** 2 / pooled).sum(axis=1))
    return "chi-square", statistic, p, effect


def _labels(column: Any, rows: np.ndarray) -> np.ndarray:
    if isinstance(column, Categorical):
        return np.array([str(level) for level in column.levels], dtype=str)[column.codes[rows]]
    return column.values[rows].astype(str)
