"""Coverage of prediction sets: overall, by group, and on the worst slab of covariate space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import generator
from statinf.errors import DataError, OptionError
from statinf.inference.conformal import binomial_interval


def by_group(covered: np.ndarray, groups: np.ndarray, confidence: float = 0.95) -> dict[str, np.ndarray]:
    """Coverage of each group: label, n, covered, coverage, conf_low, conf_high."""
    labels, codes = np.unique(groups, return_inverse=True)
    n = np.bincount(codes)
    hits = np.bincount(codes, weights=covered).astype(int)
    low, high = binomial_interval(hits, n, confidence)
    return {"group": labels, "n": n, "covered": hits, "coverage": hits / n, "conf_low": low, "conf_high": high}


@dataclass(frozen=True)
class Slab:
    """A slab ``{x : low <= direction'x <= high}`` and the coverage found in it on rows not used to find it.

    `inside` (rows,) bool are these rows, `n` of them.
    """

    direction: np.ndarray
    low: float
    high: float
    n: int
    covered: int
    inside: np.ndarray

    @property
    def coverage(self) -> float:
        """Share covered; NaN if no row fell into the slab."""
        return self.covered / self.n if self.n else float("nan")


def worst_slab(
    covered: np.ndarray,
    X: np.ndarray,
    *,
    share: float = 0.1,
    directions: int = 500,
    search: float = 0.25,
    seed: int = 0,
) -> Slab:
    """Worst-slab coverage of Cauchois, Gupta and Duchi (2021, arXiv 2004.10181).

    A random part of the rows finds the slab that holds at least `share` of them and has the lowest coverage; the
    coverage reported is that of the other rows in it, so that the search does not bias it.

    Parameters
    ----------
    covered : ndarray of bool, shape (n,)
    X : ndarray, shape (n, p)
        Standardised inside; slabs are in the units given.
    share : float
        Smallest share of the rows searched that a slab may hold.
    directions : int
        Random directions tried, the axes besides.
    search : float
        Share of the rows that search.
    """
    X, covered = np.asarray(X, np.float64), np.asarray(covered, bool)
    if not 0.0 < share < 1.0 or not 0.0 < search < 1.0:
        raise OptionError(f"share={share!r} and search={search!r} must lie between 0 and 1.")
    n, p = X.shape
    m = int(search * n)
    if p == 0 or m < 2 or n - m < 1:
        raise DataError(f"A worst slab needs covariates and at least 8 rows; got {n} rows and {p} columns.")
    random = generator(seed, 41)
    spread = X.std(axis=0)
    keep = spread > 0
    if not keep.any():
        raise DataError("No covariate varies; there is no slab to search.")
    order = random.permutation(n)
    one, two = order[:m], order[m:]
    unit = np.where(keep, 1.0 / np.where(keep, spread, 1.0), 0.0)
    ways = random.standard_normal((directions, p)) * keep
    ways = np.vstack([np.eye(p)[keep], ways / np.linalg.norm(ways, axis=1, keepdims=True)]) * unit
    least = max(1, int(np.ceil(share * m)))
    best = (2.0, ways[0], -np.inf, np.inf)
    for way in ways:
        z = X[one] @ way
        at = np.argsort(z, kind="stable")
        value, left, right = _lowest_mean(covered[one][at].astype(float), least)
        if value < best[0]:
            best = (value, way, float(z[at[left]]), float(z[at[right - 1]]))
    _, way, low, high = best
    z = X[two] @ way
    inside = np.zeros(n, bool)
    inside[two] = (low <= z) & (z <= high)
    return Slab(way, low, high, int(inside.sum()), int(covered[inside].sum()), inside)


def _lowest_mean(values: np.ndarray, least: int) -> tuple[float, int, int]:
    """The run of at least `least` neighbours with the lowest mean: mean, first, one past the last.

    Bisection on the mean: a run has a mean below c where the cumulated values minus c fall by more over it. Linear in n
    for each step.
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(total))
    low, high, run = -1e-9, float(values.mean()), (0, len(values))
    for _ in range(60):
        middle = 0.5 * (low + high)
        climb = total - middle * index
        peak = np.maximum.accumulate(climb[: len(climb) - least])
        drop = peak - climb[least:]
        end = int(np.argmax(drop))
        if drop[end] > 0.0:
            run = (int(np.argmax(climb[: end + 1])), end + least)
            high = float((total[run[1]] - total[run[0]]) / (run[1] - run[0]))
        else:
            low = middle
        if high - low < 1e-10:
            break
    return high, run[0], run[1]
