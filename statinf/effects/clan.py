"""Who is in the groups of smallest and largest predicted effect (Chernozhukov et al., arXiv 1712.04802).

Means of covariates in the two groups, and the difference, given the predictions: its standard error says how well the
sample shows the groups that these predictions form, not whether effects differ between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from statinf.effects.evaluation import Evaluation, combine
from statinf.inference.distributions import two_sided_p


def clan(
    evaluation: Evaluation,
    x: np.ndarray,
    names: Sequence[str],
    w: np.ndarray,
    groups: int,
    seed: int,
    clusters: np.ndarray | None,
) -> pd.DataFrame:
    """Columns variable, lowest, highest, difference, std_error, p_value; one row per covariate.

    Parameters
    ----------
    evaluation : Evaluation
    x : ndarray, shape (n, p)
        Covariates.
    names : sequence of str
    w : ndarray, shape (n,)
    groups : int
    seed : int
        Of the order of ties.
    clusters : ndarray of int, shape (n,), or None
    """
    made = []
    for blocks in evaluation.splits:
        each = [
            _means(b.rows, b.groups(groups, w, seed), groups, x, w, clusters, bool(evaluation.kind)) for b in blocks
        ]
        lowest, highest, error, spread = (np.stack([e[i] for e in each]) for i in range(4))
        weights = combine(highest - lowest, spread)
        some = [np.nansum(weights * v, axis=0) for v in (lowest, highest)]
        made.append((*some, np.sqrt(np.nansum((weights * error) ** 2, axis=0))))
    lowest, highest, error = (np.stack([m[i] for m in made]) for i in range(3))
    gap = highest - lowest
    middle = np.median(gap, axis=0)
    se = error[0] if len(made) == 1 else np.sqrt(np.median(error**2 + (gap - middle) ** 2, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(se > 0, two_sided_p(middle / se, np.inf), np.nan)
    columns: dict[str, Any] = {"variable": list(names), "lowest": np.median(lowest, axis=0)}
    columns |= {"highest": np.median(highest, axis=0), "difference": middle, "std_error": se, "p_value": p}
    return pd.DataFrame(columns)


def _means(
    rows: np.ndarray,
    number: np.ndarray,
    groups: int,
    x: np.ndarray,
    w: np.ndarray,
    clusters: np.ndarray | None,
    small: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means of the lowest and the highest group of a block, the standard error of their difference, and that under a
    variance of one, each (p,).

    Groups within a fold are small: `small` asks for errors of type HC3 rather than HC0.
    """
    means, parts, spread = [], [], 0.0
    for g, sign in ((0, -1.0), (groups - 1, 1.0)):
        inside = rows[number == g]
        v = w[inside]
        m = np.average(x[inside], axis=0, weights=v)
        means.append(m)
        share = (v / v.sum())[:, None]
        spread += float((share**2).sum())
        own = 1.0 - share if small and len(inside) > 1 else 1.0
        parts.append((inside, sign * share * (x[inside] - m) / own))
    if clusters is None:
        variance = sum((part**2).sum(axis=0) for _, part in parts)
    else:
        total = np.zeros((int(clusters.max()) + 1, x.shape[1]))
        for inside, part in parts:
            np.add.at(total, clusters[inside], part)
        variance = (total**2).sum(axis=0)
    return means[0], means[1], np.sqrt(variance), np.full(x.shape[1], np.sqrt(spread))
