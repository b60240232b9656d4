"""The bootstrap as one engine: weight matrices through a refit of sums, or through influence values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.backend import cores, map_threads, over_hosts, progress_bar, rows_per_chunk, weighted_sums
from statinf.errors import (
    NotIdentifiedError,
    NumericalWarning,
    OptionError,
    StatinfWarning,
    check_level,
    issue_warning,
    one_of,
)
from statinf.inference.clusters import cluster_sums
from statinf.inference.distributions import t_quantile
from statinf.inference.weights import BLOCK, LAWS, draw

__all__ = [
    "INTERVALS",
    "KINDS",
    "LAWS",
    "Bootstrap",
    "acceleration",
    "check_replicas",
    "cluster_sums",
    "map_replicas",
    "one_step",
]

KINDS = ("multiplier", "pairs", "bayesian", "wild")
FEWEST = 20
"""Below this number of replicas standard errors are more than a sixth off."""
BCA_ROWS = 1000
"""Rows from which BCa limits held in simulations (benchmarks/COVERAGE.md)."""
INTERVALS = ("percentile", "basic", "studentized", "bca", "normal")


@dataclass(frozen=True, repr=False)
class Bootstrap:
    """Draws of an estimate.

    Attributes
    ----------
    draws : ndarray, shape (replicas, q)
    kind, law : str
    seed : int
    std_errors : ndarray, shape (replicas, q), optional
        Standard error of each draw, where the method makes studentised intervals possible.
    acceleration : ndarray, shape (q,)
        Of the BCa interval, from influence values (Efron 1987); NaN where there are none.
    clusters : int
        Number of clusters drawn; 0 for rows.
    failed : int
        Replicas without a solution; they are left out of `draws`.
    """

    draws: np.ndarray
    kind: str
    law: str
    seed: int
    acceleration: np.ndarray
    std_errors: np.ndarray | None = None
    clusters: int = 0
    failed: int = 0

    def __repr__(self) -> str:
        lost = f"; {self.failed} more had no solution" if self.failed else ""
        return f"Bootstrap: {self.label}; draws has shape {self.draws.shape}{lost}."

    @property
    def replicas(self) -> int:
        return len(self.draws)

    @property
    def label(self) -> str:
        unit = f", {self.clusters} clusters" if self.clusters else ""
        return f"{self.kind} bootstrap ({self.replicas} replicas, seed {self.seed}{unit})"

    def freedom(self, df: float) -> float:
        """Degrees of freedom of a reference law that has `df` for rows: no more than clusters less one; the normal stays."""
        return min(df, self.clusters - 1.0) if self.clusters > 1 and np.isfinite(df) else df

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the draws, shape (q, q)."""
        return np.atleast_2d(np.cov(self.draws, rowvar=False))

    @property
    def root(self) -> np.ndarray:
        """L, shape (q, min(q, replicas)), with L L' the covariance of the draws."""
        centred = (self.draws - self.draws.mean(axis=0)) / np.sqrt(max(self.replicas - 1, 1))
        return np.asarray(np.linalg.qr(centred, mode="r")).T

    def interval(
        self, theta: np.ndarray, level: float, kind: str = "percentile", std_errors: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Confidence limits of each coefficient.

        Parameters
        ----------
        theta : ndarray, shape (q,)
        level : float
        kind : {"percentile", "basic", "studentized", "bca", "normal"}
        std_errors : ndarray, shape (q,), optional
            Of the estimate itself; needed for studentised intervals.
        """
        one_of("interval", kind, INTERVALS)
        tail = (1.0 - check_level(level)) / 2.0
        needed = FEWEST if kind == "normal" else replicas_for(level)
        if self.replicas < needed:
            issue_warning(
                f"{self.replicas} replicas have no {100 * level:g}% {kind} interval: it needs at least {needed}, and is "
                f"steady from about {10 * (needed + 1) - 1}; call bootstrap(replicas=...). The limits are left empty.",
                StatinfWarning,
            )
            return np.full(len(theta), np.nan), np.full(len(theta), np.nan)
        if kind == "normal":
            half = t_quantile(1.0 - tail, np.inf) * self.draws.std(axis=0, ddof=1)
            return theta - half, theta + half
        if kind == "bca":
            return self._bca(theta, tail)
        if kind == "studentized":
            return self._studentized(theta, tail, std_errors)
        low, high = np.quantile(self.draws, [tail, 1.0 - tail], axis=0, method="weibull")
        return (low, high) if kind == "percentile" else (2 * theta - high, 2 * theta - low)

    def _studentized(
        self, theta: np.ndarray, tail: float, std_errors: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.std_errors is None or std_errors is None:
            raise NotIdentifiedError(
                f"the {self.kind} bootstrap kept no standard error of each draw; "
                "ask for it with bootstrap(..., studentize=True) on a linear regression, or use interval='bca'."
            )
        ratios = (self.draws - theta) / self.std_errors
        low, high = np.quantile(ratios, [tail, 1.0 - tail], axis=0, method="weibull")
        return theta - high * std_errors, theta - low * std_errors

    def _bca(self, theta: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import ndtr, ndtri

        if not np.isfinite(self.acceleration).all():
            raise NotIdentifiedError(
                "BCa limits need influence values, which do not exist here as standard errors do not; use "
                "interval='percentile' or 'basic'."
            )
        share = (
            np.count_nonzero(self.draws < theta, axis=0) + 0.5 * np.count_nonzero(self.draws == theta, axis=0)
        ) / self.replicas
        edge = 0.5 / self.replicas
        bias = ndtri(np.clip(share, edge, 1.0 - edge))
        limits = []
        for z in (ndtri(tail), ndtri(1.0 - tail)):
            shifted = bias + (bias + z) / (1.0 - self.acceleration * (bias + z))
            levels = ndtr(shifted)
            limits.append(
                np.array([np.quantile(d, p, method="weibull") for d, p in zip(self.draws.T, levels, strict=True)])
            )
        return limits[0], limits[1]


def warn_bca(rows: int) -> None:
    """Warn of BCa limits from so few rows that they fell short in simulations."""
    if rows < BCA_ROWS:
        issue_warning(
            f"BCa limits lean on third powers of influence values, which few of {rows} rows decide: at nominal 95% they covered "
            "89% to 92% at 200 rows in simulations, and held from 1,000 on. Use 'percentile', 'basic' or 'normal'.",
            NumericalWarning,
        )


def replicas_for(level: float) -> int:
    """Fewest replicas that have an order statistic beyond each tail of a percentile interval."""
    return int(np.ceil(2.0 / (1.0 - level) - 1e-9)) - 1


def check_replicas(replicas: int) -> int:
    """Return a number of replicas of at least 2, else raise an `OptionError`."""
    if isinstance(replicas, bool) or not isinstance(replicas, int | np.integer) or replicas < 2:
        raise OptionError(f"replicas={replicas!r}: give a whole number of at least 2, such as 999.")
    if replicas < FEWEST:
        issue_warning(
            f"standard errors from {replicas} replicas are off by about {100 / np.sqrt(2 * replicas - 2):.0f} percent; "
            f"use at least {FEWEST}, and {replicas_for(0.95)} or more for a 95% interval, such as 999.",
            StatinfWarning,
        )
    return int(replicas)


def acceleration(influence: np.ndarray) -> np.ndarray:
    """Skewness of the influence values over six, shape (q,)."""
    squares = (influence**2).sum(axis=0)
    return (influence**3).sum(axis=0) / (6.0 * np.maximum(squares, np.finfo(float).tiny) ** 1.5)


def one_step(
    theta: np.ndarray,
    influence: np.ndarray,
    *,
    replicas: int,
    seed: int,
    kind: str = "multiplier",
    law: str = "mammen",
    clusters: np.ndarray | None = None,
    show: bool | None = None,
) -> Bootstrap:
    """Draws theta + sum of (weight - its mean) times influence: one matrix product, no refit.

    Parameters
    ----------
    theta : ndarray, shape (q,)
    influence : ndarray, shape (n, q)
    replicas, seed : int
    kind : {"multiplier", "pairs", "bayesian"}
        Which weights; those of mean one enter less one.
    law : str
        Of the multipliers.
    clusters : ndarray of int, shape (n,), optional
        Influence is summed within clusters first, and clusters are drawn.
    show : bool, optional
        Progress bar.
    """
    units = influence if clusters is None else cluster_sums(influence, clusters)
    centred = units if kind == "multiplier" else units - units.mean(axis=0)

    def solve(weights: np.ndarray) -> np.ndarray:
        return theta + weighted_sums(weights, centred)

    draws = map_replicas(solve, len(units), replicas, kind=kind, law=law, seed=seed, show=show)
    count = 0 if clusters is None else len(units)
    return Bootstrap(draws, kind, law if kind == "multiplier" else "", seed, acceleration(units), clusters=count)


def map_replicas(
    solve: Callable[[np.ndarray], np.ndarray],
    units: int,
    replicas: int,
    *,
    kind: str,
    seed: int,
    law: str = "mammen",
    clusters: np.ndarray | None = None,
    bytes_per_replica: float = 0.0,
    show: bool | None = None,
) -> np.ndarray:
    """Apply a solver to the weights of all replicas, chunk by chunk.

    Chunks run on a few threads, in waves: the random draws and the products release the interpreter. Hosts that share the
    work take some chunks each.

    Parameters
    ----------
    solve : callable
        From weights, shape (c, n), to draws, shape (c, q).
    units : int
        Rows or clusters to draw.
    replicas : int
    kind, law, seed
        See `statinf.inference.weights.draw`.
    clusters : ndarray of int, shape (n,), optional
        Spread a cluster's weight over its rows.
    bytes_per_replica : float
        What `solve` needs beside the weights.
    """
    rows = units if clusters is None else len(clusters)
    fitting = rows_per_chunk(24.0 * rows + bytes_per_replica, 64 * 2**20, at_most=4 * BLOCK)
    size = max(BLOCK, fitting // BLOCK * BLOCK)
    starts = range(0, replicas, size)

    def run(start: int) -> np.ndarray:
        weights = draw(kind, units, start, min(start + size, replicas), seed, law)
        return solve(weights if clusters is None else weights[:, clusters])

    def some(own: Sequence[int]) -> np.ndarray:
        waves = [own[i : i + cores()] for i in range(0, len(own), cores())]
        done: list[np.ndarray] = []
        for wave in progress_bar(waves, label="bootstrap", show=show):
            done += map_threads(run, wave, parallel=rows * replicas > 1 << 20)
        return np.concatenate(done)

    return over_hosts(some, starts, same=(units, replicas, seed % 2**31))
