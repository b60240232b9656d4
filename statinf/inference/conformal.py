"""Conformal quantiles: the one rule that every conformal method's threshold comes from.

With n exchangeable scores the threshold at a level is the ``ceil((n + 1) level)``-th smallest, infinite if
that exceeds n (Vovk, Gammerman and Shafer, 2005); with weights it is the quantile of the weighted scores and
a point mass at infinity that carries the new row's weight (Tibshirani, Barber, Candes and Ramdas, 2019,
arXiv 1904.06019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from statinf.backend import chunks
from statinf.errors import DataError, check_level
from statinf.inference.predictive import ErrorLaw

_SLACK = 1e-9
"""Keeps (n + 1) * level from rounding up past a whole number, as 10 * (1 - 0.1) does."""
_TIE = 1e-12
"""Relative slack when cumulated weights are compared with their target."""
_MANY, _SAMPLE, _IN_CACHE = 50_000, 4096, 1 << 15


def quantile_rank(n: int, level: float) -> int:
    """Which order statistic of n scores is the threshold; n + 1 means that none is large enough.

    Examples
    --------
    >>> from statinf.inference.conformal import quantile_rank
    >>> quantile_rank(9, 0.9), quantile_rank(39, 0.95), quantile_rank(8, 0.9)
    (9, 38, 9)
    """
    return int(np.ceil((n + 1) * check_level(level) - _SLACK * (n + 1)))


def smallest_n(level: float) -> int:
    """The fewest calibration rows that give a finite threshold at a level: 9 at 0.9, 19 at 0.95."""
    level = check_level(level)
    n = max(1, int(np.floor(level / (1.0 - level))) - 1)
    while quantile_rank(n, level) > n:
        n += 1
    return n


def threshold(scores: np.ndarray, level: float) -> float:
    """The conformal quantile of scores (n,), plus infinity if n is too small.

    Scores may be infinite, not NaN.
    """
    n = len(scores)
    k = quantile_rank(n, level)
    return _smallest(scores, k) if k <= n else np.inf


def _smallest(scores: np.ndarray, k: int) -> float:
    """The k-th smallest of many scores: a sample brackets it, and only scores in the bracket are partitioned."""
    n = len(scores)
    if n >= _MANY:
        sample = np.sort(scores[:: n // _SAMPLE])
        share = k / n
        # Four standard errors of the sample's rank; a miss costs one partition of all scores, never the answer.
        centre, margin = share * len(sample), 4.0 * np.sqrt(share * (1.0 - share) * len(sample)) + 1.0
        low = sample[max(0, int(centre - margin))]
        high = sample[min(len(sample) - 1, int(centre + margin) + 1)]
        below, kept = 0, []
        for part in chunks(n, _IN_CACHE):
            block = scores[part]
            mask = block >= low
            below += len(block) - int(np.count_nonzero(mask))
            mask &= block <= high
            kept.append(block[mask])
        inside = np.concatenate(kept)
        if below < k <= below + len(inside):
            scores, k = inside, k - below
    return float(np.partition(scores, k - 1)[k - 1])


def weighted_threshold(scores: np.ndarray, weights: np.ndarray, new_weights: np.ndarray, level: float) -> np.ndarray:
    """Conformal quantiles (m,) under covariate shift, one a new row.

    Parameters
    ----------
    scores, weights : ndarray, shape (n,)
        Calibration scores, and density ratios target/source up to a constant.
    new_weights : ndarray, shape (m,)
        The ratio at each new row, in the same units.
    level : float

    Returns
    -------
    ndarray, shape (m,)
        Infinite where a new row holds more than ``1 - level`` of the weight.
    """
    order = np.argsort(scores, kind="stable")
    cumulated = np.cumsum(weights[order])
    target = check_level(level) * (cumulated[-1] + np.asarray(new_weights, np.float64))
    at = np.searchsorted(cumulated, target * (1.0 - _TIE), side="left")
    return np.append(scores[order], np.inf)[at]


@dataclass(frozen=True)
class Calibration:
    """Scores with the weights and groups their thresholds depend on.

    Attributes
    ----------
    scores : ndarray, shape (n, tails)
        Two tails share the miss rate equally, each with its own threshold.
    weights : ndarray, shape (n,), optional
        Density ratios at the calibration rows.
    groups : ndarray of int, shape (n,), optional
        One threshold a group, numbered from zero.
    """

    scores: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not len(self.scores):
            raise DataError("No calibration rows are left; calibrate on more rows.")
        if np.isnan(self.scores.min()):
            bad = int(np.flatnonzero(np.isnan(self.scores).any(axis=1))[0])
            raise DataError(f"The score of calibration row {bad} is NaN; the model's prediction there is not a number.")

    def tail_level(self, level: float) -> float:
        """The level of each tail."""
        return 1.0 - (1.0 - level) / self.scores.shape[1]

    def thresholds(
        self, level: float, m: int, new_weights: np.ndarray | None = None, new_groups: np.ndarray | None = None
    ) -> np.ndarray:
        """Thresholds (m, tails) for m new rows; infinite in groups with too few rows or none (-1)."""
        level = self.tail_level(check_level(level))
        if self.groups is None:
            return self._within(slice(None), level, m, new_weights)
        out = np.full((m, self.scores.shape[1]), np.inf)
        assert new_groups is not None
        for g in np.unique(self.groups):
            to, at = self.groups == g, np.flatnonzero(new_groups == g)
            out[at] = self._within(to, level, len(at), None if new_weights is None else new_weights[at])
        return out

    def p_values(
        self,
        new_scores: np.ndarray,
        new_weights: np.ndarray | None = None,
        new_groups: np.ndarray | None = None,
        ties: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """Conformal p-values (m,): the largest miss rate at which the set still holds the outcome.

        Parameters
        ----------
        new_scores : ndarray, shape (m, tails)
        new_weights, new_groups : ndarray, shape (m,), optional
        ties : ndarray, shape (m,), or float
            Share of the ties, the new row's own point among them, that counts as at least as large: one for p-values
            that are valid whatever the ties, uniform draws for exactly uniform ones.

        Returns
        -------
        ndarray, shape (m,)
            One in groups without calibration rows; with two tails twice the smaller one, at most one.
        """
        out = np.ones(len(new_scores))
        own = np.ones(len(new_scores)) if new_weights is None else new_weights
        draws = np.broadcast_to(np.asarray(ties, np.float64), (len(new_scores),))
        for at, part in self.parts(new_groups, len(new_scores)):
            weights = None if self.weights is None else self.weights[part]
            tails = [
                ErrorLaw.of(old, weights).exceeding(new, own[at], draws[at])
                for old, new in zip(self.scores[part].T, new_scores[at].T, strict=True)
            ]
            out[at] = np.minimum(1.0, len(tails) * np.min(tails, axis=0))
        return out

    def parts(self, new_groups: np.ndarray | None, m: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """New rows and calibration rows that belong together, as row numbers."""
        if self.groups is None:
            yield np.arange(m), np.arange(len(self.scores))
            return
        assert new_groups is not None
        for g in np.unique(self.groups):
            yield np.flatnonzero(new_groups == g), np.flatnonzero(self.groups == g)

    def _within(self, part: np.ndarray | slice, level: float, m: int, new_weights: np.ndarray | None) -> np.ndarray:
        scores = self.scores[part]
        if self.weights is None:
            one = [threshold(tail, level) for tail in scores.T]
            return np.broadcast_to(np.array(one), (m, len(one)))
        assert new_weights is not None
        return np.column_stack([weighted_threshold(t, self.weights[part], new_weights, level) for t in scores.T])


def coverage_law(n: int, level: float) -> tuple[float, float]:
    """Parameters of the Beta law of coverage given n calibration rows with distinct scores."""
    k = min(quantile_rank(n, level), n + 1)
    return float(k), float(n + 1 - k)


def coverage_band(n: int, level: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Within which share of `trials` new rows should be covered after one calibration on n rows.

    Central interval of the beta-binomial law; exact for distinct scores.
    """
    k, rest = coverage_law(n, level)
    if rest == 0.0:
        return 1.0, 1.0
    from scipy.stats import betabinom

    law = betabinom(trials, k, rest)
    tail = (1.0 - check_level(confidence)) / 2.0
    return float(law.ppf(tail)) / trials, float(law.ppf(1.0 - tail)) / trials


def binomial_interval(hits: np.ndarray, trials: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson intervals for shares; (0, 1) where there are no trials."""
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    tail = (1.0 - check_level(confidence)) / 2.0
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, betaincinv(hits, trials - hits + 1, tail), 0.0)
        high = np.where(hits < trials, betaincinv(hits + 1, trials - hits, 1.0 - tail), 1.0)
    return low, high
