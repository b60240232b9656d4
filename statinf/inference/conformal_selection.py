"""Conformal p-values of new rows from scores, and which rows are selected: pure functions on arrays.

Small scores speak for a row. `Stepped` is conformal selection (Jin and Candes, 2023, arXiv 2210.01408), `Reweighted` its
version for density ratios (2025, arXiv 2307.09291), `BestScore` the choice among several scores (Bai and Jin, 2024, arXiv
2411.17983). The papers run one step-up procedure on m p-values per new row; here all m of them are read from one sorted
table, since moving row j to the calibration rows changes p-values on one side of it only: O((n + m) log(n + m)) per score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import generator
from statinf.inference.discoveries import (
    SLACK,
    Discoveries,
    benjamini_hochberg,
    last_at_most,
    prune,
    pruning_draws,
    step_up,
)

_PASSES = 8
"""Passes over the test scores before they are sorted."""


def counts_up_to(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """How many of the sorted `old` (n,) are at most each of the sorted `new` (m,), by one merge."""
    order = np.argsort(np.concatenate([old, new]), kind="stable")
    return np.flatnonzero(order >= len(old)) - np.arange(len(new))


def p_values(
    calibration: np.ndarray,
    test: np.ndarray,
    weights: np.ndarray | None = None,
    own: np.ndarray | None = None,
    ties: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Weight of calibration scores below each test score, with a share of its ties and of its own weight, shape (m,).

    Parameters
    ----------
    calibration : ndarray, shape (n,)
    test : ndarray, shape (m,)
    weights, own : ndarray, shape (n,) and (m,), optional
        Density ratios of calibration and test rows; ones by default.
    ties : ndarray, shape (m,), or float
        One is valid whatever the ties, uniform draws are exactly uniform.
    """
    ranked, mass = _cumulated(calibration, weights)
    # Looked up in order, where neighbours are near in memory.
    places = np.argsort(test, kind="stable")
    below, upto = np.empty(len(test)), np.empty(len(test))
    below[places] = mass[np.searchsorted(ranked, test[places], side="left")]
    upto[places] = mass[np.searchsorted(ranked, test[places], side="right")]
    own = np.ones(len(test)) if own is None else own
    return (below + ties * (upto - below + own)) / (mass[-1] + own)


def _cumulated(scores: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sorted scores (n,), and the weight (n + 1,) of the first so many, from zero."""
    if weights is None:
        return np.sort(scores), np.arange(len(scores) + 1.0)
    order = np.argsort(scores, kind="stable")
    return scores[order], np.append(0.0, np.cumsum(weights[order]))


def tie_draws(test: np.ndarray, ties: str, seed: int) -> np.ndarray | float:
    """Shares of the ties that count: one, or a uniform number per row (m,) that goes by its score's rank."""
    if ties == "conservative":
        return 1.0
    out = np.empty(len(test))
    out[np.argsort(test, kind="stable")] = generator(seed, 59).random(len(test))
    return out


def select(calibration: np.ndarray, test: np.ndarray, fdr: float) -> np.ndarray:
    """The rows (m,) bool that the step-up procedure selects by conservative conformal p-values.

    With k test scores below the calibration score of rank c, those are selected if ``(c + 1) m <= fdr (n + 1) k``, and c is
    the largest such rank. A rank above ``fdr (n + 1) k / m`` cannot be, so from the top each count of k lowers c, to the
    answer if it is soon there: only the smallest calibration scores are sorted.
    """
    n, m = len(calibration), len(test)
    per_row = fdr * (1.0 + SLACK) * (n + 1) / max(m, 1)
    c = min(int(per_row * m) - 1, n)
    if c < 0 or m == 0:
        return np.zeros(m, bool)
    edges = np.sort(np.partition(calibration, c)[: c + 1]) if c < n else np.append(np.sort(calibration), np.inf)
    for _ in range(_PASSES):
        below = test < edges[c] if c < n else np.ones(m, bool)
        lower = int(per_row * np.count_nonzero(below)) - 1
        if lower >= c:
            return below
        if lower < 0:
            return np.zeros(m, bool)
        c = lower
    reached = np.searchsorted(np.sort(np.compress(below, test)), edges[: c + 1], side="left")
    passed = np.flatnonzero(np.arange(1.0, c + 2.0) <= per_row * reached)
    return test < edges[passed[-1]] if len(passed) else np.zeros(m, bool)


@dataclass(frozen=True)
class Stepped:
    """The step-up procedure on conformal p-values.

    Attributes
    ----------
    ties : {"conservative", "random"}
    seed : int
    """

    ties: str = "conservative"
    seed: int = 0

    def select(self, calibration: np.ndarray, test: np.ndarray, fdr: float) -> Discoveries:
        """Select by scores (1, n) of calibration and (1, m) of test rows."""
        old, new = calibration[0], test[0]
        p = p_values(old, new, ties=tie_draws(new, self.ties, self.seed))
        selected = select(old, new, fdr) if self.ties == "conservative" else benjamini_hochberg(p, fdr)
        e = np.where(selected, len(new) / (fdr * max(1, selected.sum())), 0.0)
        return Discoveries(selected, p, e, np.zeros(len(new), np.intp))


@dataclass(frozen=True)
class Reweighted:
    """Selection under covariate shift, each row with a bound of its own.

    Attributes
    ----------
    weights, own : ndarray, shape (n,) and (m,)
        Density ratios of calibration and test rows.
    pruning : {"homogeneous", "heterogeneous", "deterministic"}
    ties : {"conservative", "random"}
    seed : int
    """

    weights: np.ndarray
    own: np.ndarray
    pruning: str = "homogeneous"
    ties: str = "conservative"
    seed: int = 0

    def select(self, calibration: np.ndarray, test: np.ndarray, fdr: float) -> Discoveries:
        """Select by scores (1, n) of calibration and (1, m) of test rows."""
        old, new = calibration[0], test[0]
        p = p_values(old, new, self.weights, self.own, tie_draws(new, self.ties, self.seed))
        sizes = shifted_sizes(old, new, self.weights, self.own, fdr)
        bound = fdr * sizes / max(1, len(new))
        passed = p <= bound * (1.0 + SLACK)
        uniform = pruning_draws(self.pruning, np.argsort(new, kind="stable"), self.seed)
        selected = prune(passed, sizes, uniform)
        return Discoveries(selected, p, np.where(passed, 1.0 / bound, 0.0), np.zeros(len(new), np.intp))


def shifted_sizes(
    calibration: np.ndarray, test: np.ndarray, weights: np.ndarray, own: np.ndarray, fdr: float
) -> np.ndarray:
    """R_j: how many rows the step-up procedure selects when row j calibrates too and is selected itself, shape (m,) int.

    With row j beside the calibration rows the p-value of row l is ``(A_l + w_j 1{T_j < T_l}) / (W + w_j)``, A_l being the
    weight of calibration scores below T_l. With t_l = fdr l / m, rows behind j pass where
    ``(A_l - t_l W) / (1 - t_l) <= -w_j``, and rows before it, each a rank further down, where
    ``A_l / t_{l+1} - W <= w_j``: two searches that share their tables over all j.
    """
    m = len(test)
    if m == 0:
        return np.zeros(0, np.intp)
    ranked, mass = _cumulated(calibration, weights)
    places = np.argsort(test, kind="stable")
    sorted_test, total = test[places], mass[-1]
    A = mass[np.searchsorted(ranked, sorted_test, side="left")]
    own = own[places]
    last_tie = np.searchsorted(sorted_test, sorted_test, side="right")
    t = fdr * (1.0 + SLACK) * np.arange(1, m + 2) / m
    # At level one the last row passes whatever the weights.
    with np.errstate(divide="ignore"):
        behind = np.where(t[:m] < 1.0, (A - t[:m] * total) / (1.0 - t[:m]), -np.inf)
    least = np.minimum.accumulate(behind[::-1])[::-1]
    reached = np.searchsorted(least, -own, side="right")
    before = last_at_most(A / t[1:] - total, own, last_tie - 1) + 2
    out = np.empty(m, np.intp)
    out[places] = np.where(reached > last_tie, reached, before)
    return out


@dataclass(frozen=True)
class BestScore:
    """The best of several scores at each row, with what that choice costs accounted for.

    Attributes
    ----------
    pruning : {"homogeneous", "heterogeneous", "deterministic"}
    seed : int
    """

    pruning: str = "homogeneous"
    seed: int = 0

    def select(self, calibration: np.ndarray, test: np.ndarray, fdr: float) -> Discoveries:
        """Select by scores (K, n) of calibration and (K, m) of test rows."""
        K, (n, m) = len(test), (calibration.shape[1], test.shape[1])
        rows = np.arange(m)
        below, sizes = (np.empty((K, m), np.intp) for _ in range(2))
        for k in range(K):
            below[k], sizes[k] = enlarged_sizes(calibration[k], test[k], fdr)
        # Equally good scores: the first in an order of the models that is drawn once for all rows.
        shuffled = generator(self.seed, 61).permutation(K)
        chosen = shuffled[np.argmax(sizes[shuffled], axis=0)]
        size, count = sizes[chosen, rows], below[chosen, rows]
        passed = (count + 1.0) * m <= fdr * (1.0 + SLACK) * size * (n + 1)
        uniform = pruning_draws(self.pruning, np.lexsort(test[::-1]), self.seed)
        e = np.where(passed, m / (fdr * size), 0.0)
        return Discoveries(prune(passed, size, uniform), (count + 1.0) / (n + 1), e, chosen)


def enlarged_sizes(calibration: np.ndarray, test: np.ndarray, fdr: float) -> tuple[np.ndarray, np.ndarray]:
    """Calibration scores up to each test score, and R_j as in `shifted_sizes` for weights of one, shapes (m,), (m,) int.

    Ties count against a row here: with row j beside the calibration rows, row l has ``#{V_i <= T_l} + 1{T_j <= T_l}``.
    """
    n, m = len(calibration), len(test)
    places = np.argsort(test, kind="stable")
    ordered = test[places]
    count = counts_up_to(np.sort(calibration), ordered)
    first_tie = np.searchsorted(ordered, ordered, side="left")
    reached = step_up(count, n, m, fdr)
    passes = count * float(m) <= fdr * (1.0 + SLACK) * (n + 1) * np.arange(2, m + 2)
    last = np.append(0, np.maximum.accumulate(np.where(passes, np.arange(1, m + 1), 0)))
    below, sizes = (np.empty(m, np.intp) for _ in range(2))
    below[places] = count
    sizes[places] = np.where(reached > first_tie + 1, reached, last[first_tie] + 1)
    return below, sizes
