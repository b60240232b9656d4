"""Overlap of two samples: which target rows the source does not cover, tails of weights, balance of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import map_threads
from statinf.errors import NotIdentifiedError, NumericalWarning, issue_warning

_PARALLEL_FROM = 1 << 20
UNCOVERED_SHARE = 0.2
"""Share of target rows outside the source's range in one column from which a warning is due."""

LEAST_ESS_SHARE = 0.5
"""Effective sample size per row below which standard errors of weighted fits are known to be too small."""
LARGEST_SHARE = 0.05
"""The same, for one row's share of all weight."""

REGRESSIONS = "86% (n = 200) to 92% (n = 4000) at an effective share of about 0.38"
"""Coverage of weighted regressions where few rows carry the weight."""
MEANS = "89% (n = 200) to 92% (n = 1000) at an effective share of a third"
"""The same for a trial's means in a population."""
TARGET_MEANS = "92% (n = 200) to 95% (n = 1000) at an effective share of 0.39"
"""The same for means of the target's outcome, whose limits are those of a t law."""
LIGHTER = "use fewer columns in ratio_formula=, power= below 1, or restrict the target"


def uncovered(xs: np.ndarray, xt: np.ndarray) -> tuple[np.ndarray, int]:
    """Target rows outside the source's range, by column, shape (p,), and in any column."""
    counts, anywhere = np.zeros(xs.shape[1], np.intp), np.zeros(len(xt), bool)

    def ends(j: int) -> tuple[float, float, bool]:
        low, high = xs[:, j].min(), xs[:, j].max()
        return low, high, bool(xt[:, j].min() < low or xt[:, j].max() > high)

    found = map_threads(ends, range(xs.shape[1]), parallel=xs.size + xt.size > _PARALLEL_FROM)
    for j, (low, high, leaves) in enumerate(found):
        if leaves:
            outside = (xt[:, j] < low) | (xt[:, j] > high)
            counts[j] = np.count_nonzero(outside)
            anywhere |= outside
    return counts, int(np.count_nonzero(anywhere))


def describe_uncovered(xs: np.ndarray, xt: np.ndarray, names: tuple[str, ...]) -> str:
    """The columns in which target rows lie outside the source's range, with counts; empty if there are none."""
    return described(*uncovered(xs, xt), len(xt), names)


def described(counts: np.ndarray, total: int, rows: int, names: tuple[str, ...]) -> str:
    """The same from the counts by column (p,), those in any column, and the target's rows."""
    if total == 0:
        return ""
    worst = [f"'{names[j]}' ({counts[j]} rows)" for j in np.argsort(-counts)[:5] if counts[j]]
    return f"{total} of {rows} target rows lie outside the source's range, in {', '.join(worst)}"


def check_support(xs: np.ndarray, xt: np.ndarray, names: tuple[str, ...]) -> int:
    """Refuse samples without common support in a column; warn where a large share of the target is not covered.

    Returns
    -------
    int
        Target rows outside the source's range.

    Raises
    ------
    NotIdentifiedError
        If all target rows lie outside the source's range in one column.
    """
    counts, total = uncovered(xs, xt)
    judge_support(counts, total, len(xt), names)
    return total


def judge_support(counts: np.ndarray, total: int, rows: int, names: tuple[str, ...]) -> None:
    """`check_support` from the counts by column (p,), those in any column, and the target's rows."""
    if (counts == rows).any():
        raise NotIdentifiedError(
            f"no common support: {described(counts, total, rows, names)}. No weight on source rows can stand for them; leave "
            "the column out, or restrict the target to the source's range."
        )
    if total > UNCOVERED_SHARE * rows:
        issue_warning(
            f"weak overlap: {described(counts, total, rows, names)}. Weighted estimates extrapolate to these rows.",
            NumericalWarning,
        )


def warn_concentrated(
    values: np.ndarray, coefficients: int, *, covered: str = REGRESSIONS, advice: str = LIGHTER
) -> None:
    """Warn where so few rows carry the weight that standard errors, which average over rows, come out too small.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Weights of the source rows.
    coefficients : int
    covered : str
        What 95% intervals covered in simulations, and at which effective share.
    advice : str
        What to do about it.
    """
    used = values[values > 0]
    ess, largest = float(used.sum() ** 2 / (used**2).sum()), float(used.max() / used.sum())
    judge_concentration(len(used), ess, largest, coefficients, covered=covered, advice=advice)


def judge_concentration(
    rows: int, ess: float, largest: float, coefficients: int, *, covered: str = REGRESSIONS, advice: str = LIGHTER
) -> None:
    """`warn_concentrated` from the rows of positive weight, their effective number, and the largest weight's share."""
    if ess >= LEAST_ESS_SHARE * rows and largest <= LARGEST_SHARE and ess >= coefficients + 1:
        return
    said = (
        f"the {rows} weighted source rows have an effective sample size of {ess:.1f}, and the largest weight is "
        f"{100 * largest:.1f}% of all"
    )
    if ess < coefficients + 1:
        said += f": that does not exceed the {coefficients} coefficients, the source hardly covers the target"
    else:
        said += f": standard errors are too small there. In simulations 95% intervals covered {covered}"
    issue_warning(
        f"{said}. See overlap() of the density ratio; {advice}.",
        NumericalWarning,
    )


def pareto_k(weights: np.ndarray) -> float:
    """Shape of a generalised Pareto tail fitted to the largest weights; NaN with fewer than five of them.

    Above 0.7 averages with these weights are unreliable at any practical sample size (Vehtari, Simpson, Gelman, Yao
    and Gabry, 2024, arXiv 1507.02646). The fit is that of Zhang and Stephens (2009, Technometrics 51) on the largest
    min(n / 5, 3 sqrt(n)) weights.
    """
    positive = weights[weights > 0]
    return tail_shape(np.sort(positive), len(positive))


def tail_size(rows: int) -> int:
    """How many of the largest of so many weights make the tail."""
    return int(np.ceil(min(0.2 * rows, 3.0 * np.sqrt(rows))))


def tail_shape(ordered: np.ndarray, rows: int) -> float:
    """`pareto_k` of the largest of so many weights, in order: one more of them than `tail_size` at least."""
    size = tail_size(rows)
    if size < 5 or rows <= size:
        return float("nan")
    excess = ordered[-size:] - ordered[-size - 1]
    if excess[-1] <= 1e-10 * ordered[-1]:
        return float("-inf")
    excess = np.maximum(excess, np.finfo(float).tiny)
    grid_size = 30 + int(np.sqrt(size))
    quarter = excess[int(size / 4.0 + 0.5) - 1]
    slope = 1.0 - np.sqrt(grid_size / (np.arange(1, grid_size + 1) - 0.5))
    theta = slope / (3.0 * quarter) + 1.0 / excess[-1]
    with np.errstate(all="ignore"):
        shape = np.log1p(-theta[:, None] * excess).mean(axis=1)
        profile = size * (np.log(-theta / shape) - shape - 1.0)
    profile = np.where(np.isfinite(profile), profile, -np.inf)
    mass = np.exp(profile - profile.max())
    chosen = float(mass @ theta / mass.sum())
    k = float(np.log1p(-chosen * excess).mean())
    # A weak prior at 1/2, worth ten observations, steadies small tails.
    return (size * k + 10 * 0.5) / (size + 10.0)


def balance_table(
    xs: np.ndarray, xt: np.ndarray, ws: np.ndarray, wt: np.ndarray, values: np.ndarray, names: tuple[str, ...]
) -> Any:
    """Means, standardised differences, variance ratios and KS distances of source and target before and after.

    Parameters
    ----------
    xs, xt : ndarray, shape (n, p) and (m, p)
    ws, wt : ndarray, shape (n,) and (m,)
        Row weights of the samples themselves ("before").
    values : ndarray, shape (n,)
        Weights of the source rows that should make them look like the target ("after").
    names : tuple of str

    Returns
    -------
    pandas.DataFrame
        One row per column; differences are source minus target in standard deviations of the target.
    """
    import pandas as pd

    target_mean, target_var = _moments(xt, wt)
    before_mean, before_var = _moments(xs, ws)
    after_mean, after_var = _moments(xs, values)
    # A column that the target holds constant has no spread of its own; the source's stands in.
    spread = np.sqrt(np.where(target_var > 0, target_var, before_var))
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame(
            {
                "column": list(names),
                "mean_source": before_mean,
                "mean_weighted": after_mean,
                "mean_target": target_mean,
                "smd_before": (before_mean - target_mean) / spread,
                "smd_after": (after_mean - target_mean) / spread,
                "var_ratio_before": before_var / target_var,
                "var_ratio_after": after_var / target_var,
                "ks_before": [weighted_ks(xs[:, j], xt[:, j], ws, wt) for j in range(len(names))],
                "ks_after": [weighted_ks(xs[:, j], xt[:, j], values, wt) for j in range(len(names))],
            }
        )


def margin_table(xs: np.ndarray, mean: np.ndarray, ws: np.ndarray, values: np.ndarray, names: tuple[str, ...]) -> Any:
    """The same of known means (p,), in standard deviations of the source: margins tell neither spread nor shape."""
    import pandas as pd

    before, variance = _moments(xs, ws)
    after = _moments(xs, values)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame(
            {
                "column": list(names),
                "mean_source": before,
                "mean_weighted": after,
                "mean_target": mean,
                "smd_before": (before - mean) / np.sqrt(variance),
                "smd_after": (after - mean) / np.sqrt(variance),
            }
        )


def _moments(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = w / w.sum()
    mean = share @ x
    return mean, share @ (x - mean) ** 2


def weighted_ks(a: np.ndarray, b: np.ndarray, wa: np.ndarray, wb: np.ndarray) -> float:
    """Largest distance between two weighted distribution functions."""
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    steps = np.concatenate([wa / wa.sum(), -wb / wb.sum()])[order]
    heights = np.cumsum(steps)
    last_of_ties = np.append(np.diff(pooled[order]) > 0, True)
    return float(np.abs(heights[last_of_ties]).max())
