"""Which columns moved: a test and an effect size for each variable of a formula.

Kolmogorov-Smirnov for numbers and chi-square for categories, with the false discovery rate held by the procedure of
Benjamini and Hochberg (1995, Journal of the Royal Statistical Society B 57).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.frame import Categorical, as_frame
from statinf.shifts.samples import Samples


@dataclass(frozen=True, repr=False)
class ColumnTests(Brief):
    """One row per variable.

    Attributes
    ----------
    names, tests : tuple of str
        Variables, and "KS" or "chi-square".
    statistic, p_value, adjusted, effect : ndarray, shape (k,)
        The effect is target minus source in standard deviations of the source, or the largest difference of a
        category's share.
    """

    names: tuple[str, ...]
    tests: tuple[str, ...]
    statistic: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray
    effect: np.ndarray


def column_tests(samples: Samples) -> ColumnTests:
    """Test every variable that the formula names."""
    from scipy.stats import false_discovery_control

    names = samples.recipe.columns
    frame = as_frame(samples.target.frame, list(names))
    found = []
    for name in names:
        source = samples.source.frame.column(name)
        other = frame.column(name)
        if isinstance(source, Categorical) or isinstance(other, Categorical):
            found.append(_shares(source, other, samples))
        else:
            found.append(_numbers(source.values[samples.source.rows], other.values[samples.target.rows]))
    statistic, p, effect = (np.array([row[k] for row in found], dtype=np.float64) for k in (1, 2, 3))
    return ColumnTests(names, tuple(row[0] for row in found), statistic, p, false_discovery_control(p), effect)


def _numbers(a: np.ndarray, b: np.ndarray) -> tuple[str, float, float, float]:
    from scipy.stats import ks_2samp

    tested = ks_2samp(a, b)
    spread = float(a.std()) or float(b.std()) or 1.0
    return "KS", float(tested.statistic), float(tested.pvalue), float((b.mean() - a.mean()) / spread)


def _shares(source: Any, target: Any, samples: Samples) -> tuple[str, float, float, float]:
    from scipy.stats import chi2_contingency

    a = _labels(source, samples.source.rows)
    b = _labels(target, samples.target.rows)
    levels, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    counts = np.stack(
        [np.bincount(codes[: len(a)], minlength=len(levels)), np.bincount(codes[len(a) :], minlength=len(levels))]
    )
    if len(levels) == 1:
        return "chi-square", 0.0, 1.0, 0.0
    tested = chi2_contingency(counts, correction=False)
    share = counts / counts.sum(axis=1, keepdims=True)
    return "chi-square", float(tested.statistic), float(tested.pvalue), float(np.abs(share[1] - share[0]).max())


def _labels(column: Any, rows: np.ndarray) -> np.ndarray:
    if isinstance(column, Categorical):
        return np.array([str(level) for level in column.levels], dtype=str)[column.codes[rows]]
    return column.values[rows].astype(str)
