"""Calibeating: what is said in place of a forecast, from the outcomes of forecasts like it.

Foster and Hart (2023), "Calibeating": beating forecasters at their own game; Gupta and Ramdas (2023), arXiv 2305.00070. Tracking
says the mean outcome of earlier forecasts in the bin: its Brier score is, on every path, at most that of the bins' own mean
outcomes plus O(bins log T / T). Forecasts that tell outcomes apart within a bin may be better than these, by less than half
the width of a bin: twice the covariance of forecast and outcome there, less the forecast's variance. Hedging plays Foster's
randomised game in every bin: its calibration error tends to at most the width of a bin against any adversary who does not know
the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np

from statinf.brief import Brief
from statinf.numerics.recursions.hedging import hedge, hedge_ahead, hedge_start
from statinf.numerics.recursions.scanning import through

KINDS = ("tracking", "hedging")


def bin_of(p: np.ndarray, bins: int) -> np.ndarray:
    """Numbers from 0 of the bins ((b, b + 1] / bins, and 0 in the first) that hold probabilities (n,)."""
    return np.clip(np.ceil(p * bins - 1e-12).astype(np.int64) - 1, 0, bins - 1)


class Calibeater(Protocol):
    """Says something else in place of probabilities, and goes on with each row."""

    def advance(self, q: np.ndarray, y: np.ndarray) -> tuple[Self, np.ndarray]:
        """The state after probabilities q (n,) and outcomes y (n,), and what was said before each outcome."""
        ...

    def ahead(self, q: np.ndarray) -> np.ndarray:
        """What would be said of each probability (n,) if it came next."""
        ...


@dataclass(frozen=True, repr=False)
class Uncalibeated(Brief):
    """No calibeating."""

    def advance(self, q: np.ndarray, y: np.ndarray) -> tuple[Uncalibeated, np.ndarray]:
        """See `Calibeater.advance`."""
        return self, q

    def ahead(self, q: np.ndarray) -> np.ndarray:
        """See `Calibeater.ahead`."""
        return q


@dataclass(frozen=True, repr=False)
class Tracking(Brief):
    """Rows and ones so far in each bin, shape (bins,) each."""

    counts: np.ndarray
    ones: np.ndarray

    def advance(self, q: np.ndarray, y: np.ndarray) -> tuple[Tracking, np.ndarray]:
        """See `Calibeater.advance`."""
        size = len(self.counts)
        own = bin_of(q, size)
        said = np.empty(len(q))
        for b in range(size):
            at = np.flatnonzero(own == b)
            ones = self.ones[b] + np.cumsum(y[at]) - y[at]
            said[at] = self._mean(b, self.counts[b] + np.arange(len(at)), ones)
        counts = self.counts + np.bincount(own, minlength=size)
        return replace(self, counts=counts, ones=self.ones + np.bincount(own, weights=y, minlength=size)), said

    def _mean(self, b: Any, counts: np.ndarray, ones: np.ndarray) -> np.ndarray:
        # One row of prior at the middle of the bin.
        return ((b + 0.5) / len(self.counts) + ones) / (1.0 + counts)

    def ahead(self, q: np.ndarray) -> np.ndarray:
        """See `Calibeater.ahead`."""
        own = bin_of(q, len(self.counts))
        return self._mean(own, self.counts[own], self.ones[own])


@dataclass(frozen=True, repr=False)
class Hedging(Brief):
    """Records of the game in each bin, the seed of its draws and how many were drawn."""

    records: Any
    seed: int
    drawn: int

    def _uniform(self, count: int) -> np.ndarray:
        """Draws by the row's number, whatever the blocks."""
        # Unlike `backend.generator`, one that can be put anywhere in its sequence; a number takes one step of it.
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, 59])).advance(self.drawn)
        return np.random.Generator(bits).random(count)

    def advance(self, q: np.ndarray, y: np.ndarray) -> tuple[Hedging, np.ndarray]:
        """See `Calibeater.advance`."""
        size = len(self.records[0])
        rows = [bin_of(q, size), self._uniform(len(q)), y]
        records, (played,) = through(hedge, self.records, rows)
        return replace(self, records=records, drawn=self.drawn + len(q)), (played + 0.5) / size

    def ahead(self, q: np.ndarray) -> np.ndarray:
        """See `Calibeater.ahead`."""
        size = len(self.records[0])
        played = hedge_ahead(*self.records, bin_of(q, size), self._uniform(1)[0])
        return (played + 0.5) / size


def calibeater(kind: str | None, bins: int, seed: int) -> Calibeater:
    """The start of one of `KINDS`, or of none."""
    if kind is None:
        return Uncalibeated()
    if kind == "tracking":
        return Tracking(np.zeros(bins, np.int64), np.zeros(bins))
    return Hedging(hedge_start(bins), seed, 0)
