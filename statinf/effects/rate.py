"""Rank-weighted average effects: does a priority rule find those who gain (Yadlowsky et al., arXiv 2111.07966).

TOC(q) is the average effect among the share q with the highest priority less that of everybody; AUTOC is its
mean over q, Qini its mean weighted by q. Rows of equal priority share their mean score. Standard errors come
from half-samples drawn without replacement, whose spread is that of the full sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.inference.distributions import t_quantile, two_sided_p

TARGETS = ("autoc", "qini")


@dataclass(frozen=True)
class Rate:
    """A rank-weighted average effect.

    Attributes
    ----------
    target : {"autoc", "qini"}
    estimate, std_error : float
    draws : ndarray, shape (replicas,)
        Half-sample estimates less the estimate.
    share, toc, toc_se : ndarray, shape (m,)
        The curve and its standard errors.
    """

    target: str
    estimate: float
    std_error: float
    draws: np.ndarray
    share: np.ndarray
    toc: np.ndarray
    toc_se: np.ndarray

    @property
    def p_value(self) -> float:
        """Two-sided, of no gain from the ranking."""
        return float(two_sided_p(self.estimate / self.std_error, np.inf))

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Normal confidence limits."""
        half = t_quantile(0.5 + check_level(level) / 2.0, np.inf) * self.std_error
        return self.estimate - half, self.estimate + half

    def __str__(self) -> str:
        low, high = self.conf_int()
        return f"{self.target}: {self.estimate:.6g} (std. error {self.std_error:.4g}), 95% interval [{low:.6g}, {high:.6g}]"

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
        The priority must come from other data, or out of fold.
    target : {"autoc", "qini"}
    replicas : int
    seed : int
    codes : ndarray of int, shape (n,), optional
        Clusters to draw in place of rows.
    """
    one_of("target", target, TARGETS)
    if replicas < 2:
        raise OptionError(f"replicas={replicas!r} must be at least 2.")
    if not np.isfinite(priority).all():
        raise DataError(f"the priority is missing in {int((~np.isfinite(priority)).sum())} rows.")
    estimate = rate_of(gamma, priority, w, target)
    grid = np.linspace(0.05, 1.0, 96)
    units = len(gamma) if codes is None else int(codes.max()) + 1
    draws, curves = np.empty(replicas), np.empty((replicas, len(grid)))
    for b in range(replicas):
        picked = np.zeros(units, dtype=bool)
        picked[generator(seed, 41, b).permutation(units)[: units // 2]] = True
        rows = picked if codes is None else picked[codes]
        draws[b] = rate_of(gamma[rows], priority[rows], w[rows], target)
        share, toc, _ = toc_curve(gamma[rows], priority[rows], w[rows])
        curves[b] = np.interp(grid, share, toc)
    share, toc, _ = toc_curve(gamma, priority, w)
    return Rate(
        target,
        estimate,
        float(draws.std(ddof=1)),
        draws - estimate,
        grid,
        np.interp(grid, share, toc),
        curves.std(axis=0, ddof=1),
    )
