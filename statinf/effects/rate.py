"""Rank-weighted average effects: does a priority rule find those who gain (Yadlowsky et al., arXiv 2111.07966).

TOC(q) is the average effect among the share q with the highest priority less that of everybody; AUTOC is its
mean over q, Qini its mean weighted by q. Rows of equal priority share their mean score. Standard errors come
from half-samples drawn without replacement, whose spread is that of the full sample. Predicted effects are evaluated by
blocks of rows, as `statinf.effects.evaluation` says: one average effect per block, and the mean of these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.effects.evaluation import Evaluation, combine
from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.findings import Finding
from statinf.formula.given import without_gaps
from statinf.inference.distributions import t_quantile, two_sided_p

TARGETS = ("autoc", "qini")
GRID = np.linspace(0.05, 1.0, 96)
"""Shares at which the curve is kept."""


@dataclass(frozen=True, repr=False)
class Rate(Finding):
    """A rank-weighted average effect.

    Attributes
    ----------
    target : {"autoc", "qini"}
    estimate, std_error : float
    draws : ndarray, shape (replicas,)
        Half-sample estimates less the estimate.
    share, toc, toc_se : ndarray, shape (m,)
        The curve and its standard errors.
    evaluation : {"sequential", "cross-fold", ""}
        How predicted effects were evaluated; empty where the priority came from elsewhere.
    """

    target: str
    estimate: float
    std_error: float
    draws: np.ndarray
    share: np.ndarray
    toc: np.ndarray
    toc_se: np.ndarray
    evaluation: str = ""

    @property
    def p_value(self) -> float:
        """Two-sided, of no gain from the ranking; NaN where scores do not vary."""
        if not self.std_error > 0:
            return float("nan")
        return float(two_sided_p(self.estimate / self.std_error, np.inf))

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Normal confidence limits."""
        half = t_quantile(0.5 + check_level(level) / 2.0, np.inf) * self.std_error
        return self.estimate - half, self.estimate + half

    def items(self, level: float = 0.95) -> dict[str, Any]:
        low, high = self.conf_int(level)
        row = {"target": self.target, "estimate": self.estimate, "std_error": self.std_error}
        row |= {"statistic": self.estimate / self.std_error if self.std_error > 0 else float("nan")}
        return row | {"p_value": self.p_value, "conf_low": low, "conf_high": high}

    def __str__(self) -> str:
        low, high = self.conf_int()
        how = f", {self.evaluation} evaluation" if self.evaluation else ""
        return f"{self.target}: {self.estimate:.6g} (std. error {self.std_error:.4g}), 95% interval [{low:.6g}, {high:.6g}]{how}"

    def plot(self, **options: Any) -> Any:
        """The curve TOC; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_toc

        return plot_toc(self.share, self.toc, self.toc_se, **options)


def toc_curve(gamma: np.ndarray, priority: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share treated, TOC and weight of every row, highest priority first.

    Parameters
    ----------
    gamma : ndarray, shape (n,)
        Unbiased score of each row's effect.
    priority : ndarray, shape (n,)
    w : ndarray, shape (n,)
    """
    order = np.argsort(-priority, kind="stable")
    g, v, s = gamma[order], w[order], priority[order]
    block = np.concatenate([[0], np.cumsum(s[1:] != s[:-1])])
    if block[-1] + 1 < len(s):
        weight = np.bincount(block, v)
        g = (np.bincount(block, v * g) / np.where(weight > 0, weight, 1.0))[block]
    return _sorted_curve(g, v)


def _sorted_curve(g: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share treated, TOC and weight of rows in the order of their priority."""
    reached = np.cumsum(v)
    total = reached[-1]
    toc = np.cumsum(v * g) / np.where(reached > 0, reached, 1.0) - (v @ g) / total
    return reached / total, toc, v / total


def rate_of(gamma: np.ndarray, priority: np.ndarray, w: np.ndarray, target: str) -> float:
    """AUTOC or Qini of a sample."""
    share, toc, mass = toc_curve(gamma, priority, w)
    return float(mass @ (toc if target == "autoc" else share * toc))


def rate(
    gamma: np.ndarray,
    priority: np.ndarray,
    w: np.ndarray,
    *,
    target: str = "autoc",
    replicas: int = 200,
    seed: int = 0,
    codes: np.ndarray | None = None,
) -> Rate:
    """Rank-weighted average effect with half-sample standard errors.

    Parameters
    ----------
    gamma, priority, w : ndarray, shape (n,)
        The priority must come from other data, or from other folds.
    target : {"autoc", "qini"}
    replicas : int
    seed : int
    codes : ndarray of int, shape (n,), optional
        Clusters to draw in place of rows.
    """
    one_of("target", target, TARGETS)
    if isinstance(replicas, bool) or not isinstance(replicas, int | np.integer) or replicas < 2:
        raise OptionError(f"replicas={replicas!r} must be a whole number of at least 2.")
    if not np.isfinite(priority).all():
        raise DataError(f"the priority is missing in {int((~np.isfinite(priority)).sum())} rows.")
    estimate = rate_of(gamma, priority, w, target)
    units = len(gamma) if codes is None else int(codes.max()) + 1
    if units < 4:
        raise DataError(
            f"{units} {'rows' if codes is None else 'clusters'} are too few for half-samples; four are needed."
        )
    draws, curves = _half_samples(gamma, priority, w, target, _picked(units, replicas, seed, codes))
    share, toc, _ = toc_curve(gamma, priority, w)
    return Rate(
        target,
        estimate,
        float(draws.std(ddof=1)),
        draws - estimate,
        GRID,
        np.interp(GRID, share, toc),
        curves.std(axis=0, ddof=1),
    )


def _picked(units: int, replicas: int, seed: int, codes: np.ndarray | None) -> np.ndarray:
    """Rows of each half-sample, shape (replicas, n) bool."""
    picked = np.zeros((replicas, units), dtype=bool)
    for b in range(replicas):
        picked[b, generator(seed, 41, b).permutation(units)[: units // 2]] = True
    return picked if codes is None else picked[:, codes]


def _half_samples(
    gamma: np.ndarray, priority: np.ndarray, w: np.ndarray, target: str, picked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (replicas,) and curves at `GRID` (replicas, m) of half-samples."""
    draws, curves = np.empty(len(picked)), np.empty((len(picked), len(GRID)))
    order = np.argsort(-priority, kind="stable")
    g, v, s = gamma[order], w[order], priority[order]
    tied = bool((s[1:] == s[:-1]).any())
    for b, rows in enumerate(picked[:, order]):
        if tied:
            share, toc, mass = toc_curve(g[rows], s[rows], v[rows])
        else:
            share, toc, mass = _sorted_curve(g[rows], v[rows])
        draws[b] = mass @ (toc if target == "autoc" else share * toc)
        curves[b] = np.interp(GRID, share, toc)
    return draws, curves


def rate_by_blocks(
    evaluation: Evaluation, w: np.ndarray, *, target: str, replicas: int, seed: int, codes: np.ndarray | None
) -> Rate:
    """Rank-weighted average effect of predicted effects, averaged over blocks; median over splits.

    Parameters
    ----------
    evaluation : Evaluation
    w : ndarray, shape (n,)
    target, replicas, seed, codes
        As in `rate`.
    """
    made = []
    for gamma, blocks in zip(evaluation.scores, evaluation.splits, strict=True):
        each = [
            rate(
                gamma[b.rows],
                b.priority(w),
                w[b.rows],
                target=target,
                replicas=replicas,
                seed=seed + number,
                codes=None if codes is None else without_gaps(codes[b.rows]),
            )
            for number, b in enumerate(blocks)
        ]
        made.append(each[0] if len(each) == 1 else _mean(each, np.array([_effective(w[b.rows]) for b in blocks])))
    found = made[0] if len(made) == 1 else _median(made)
    return replace(found, evaluation=evaluation.kind)


def _effective(w: np.ndarray) -> float:
    """Number of rows of equal weight that say as much."""
    return float(w.sum() ** 2 / (w**2).sum())


def _mean(each: list[Rate], sizes: np.ndarray) -> Rate:
    """Mean of estimates from blocks of rows, by the root of their sizes."""
    estimates = np.array([r.estimate for r in each])
    v = combine(estimates[:, None], sizes[:, None] ** -0.5)[:, 0]

    def spread(values: list[Any]) -> np.ndarray:
        return np.sqrt(np.sum([(a * e) ** 2 for a, e in zip(v, values, strict=True)], axis=0))

    return Rate(
        each[0].target,
        float(v @ estimates),
        float(spread([r.std_error for r in each])),
        v @ np.stack([r.draws for r in each]),
        GRID,
        v @ np.stack([r.toc for r in each]),
        spread([r.toc_se for r in each]),
    )


def _median(each: list[Rate]) -> Rate:
    """Median over random splits; the variance counts their spread (Chernozhukov et al. 2018)."""
    estimates, errors = (np.array([getattr(r, k) for r in each]) for k in ("estimate", "std_error"))
    middle = float(np.median(estimates))
    tocs, spreads = (np.stack([getattr(r, k) for r in each]) for k in ("toc", "toc_se"))
    toc = np.median(tocs, axis=0)
    return Rate(
        each[0].target,
        middle,
        float(np.sqrt(np.median(errors**2 + (estimates - middle) ** 2))),
        np.median([r.draws for r in each], axis=0),
        GRID,
        toc,
        np.sqrt(np.median(spreads**2 + (tocs - toc) ** 2, axis=0)),
    )
