"""A window of the latest values that drops its oldest part where two parts of it have different means.

Bifet and Gavalda (2007, SIAM International Conference on Data Mining): the window is kept as an exponential histogram, at
most `max_buckets` buckets of each size 1, 2, 4, ..., and every `clock` values all its cuts at bucket borders are looked at.
A cut into parts of n0 and n1 values tells them apart where their means differ by more than
sqrt(2 m v log(2 log(n) / delta)) + (2 / 3) m log(2 log(n) / delta), with v the variance of the window and
m = 1 / (n0 - s + 1) + 1 / (n1 - s + 1) for shortest parts of s values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True)
class WindowRules:
    """How a window is kept and cut.

    Attributes
    ----------
    delta : float
        In (0, 1).
    clock, max_buckets, shortest, grace : int
        Values between looks, buckets of one size, values in either part of a cut, and in a window before it is cut.
    """

    delta: float
    clock: int
    max_buckets: int
    shortest: int
    grace: int


@dataclass(frozen=True, repr=False)
class AdaptiveWindow(Brief):
    """A window as buckets, the oldest first.

    Attributes
    ----------
    sizes, totals, inner : ndarray, shape (b,)
        Values in each bucket, their sum, and the sum of their squared deviations from their mean.
    total, squares : float
        Sum of the window's values, and of their squared deviations from their mean.
    ticks : int
        Values since the window began.
    """

    sizes: np.ndarray
    totals: np.ndarray
    inner: np.ndarray
    total: float
    squares: float
    ticks: int

    @classmethod
    def empty(cls) -> AdaptiveWindow:
        """A window without values."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), 0.0, 0.0, 0)


@dataclass(frozen=True, repr=False)
class Looks(Brief):
    """What was found at each look, all of shape (k,).

    Attributes
    ----------
    at : ndarray of int
        Number of the value at which it was, from 0.
    ratio : ndarray
        Largest difference of means over its bound, before the window was cut; NaN where no cut was long enough.
    cut : ndarray of bool
    width : ndarray of int
        Values in the window afterwards.
    mean : ndarray
    """

    at: np.ndarray
    ratio: np.ndarray
    cut: np.ndarray
    width: np.ndarray
    mean: np.ndarray


class _Running:
    """The window while values run through it: rows of buckets by size, the oldest bucket first in each."""

    def __init__(self, window: AdaptiveWindow, rules: WindowRules) -> None:
        self.rules = rules
        self.rows: list[list[tuple[float, float]]] = [[]]
        for size, total, inner in zip(*(a.tolist() for a in (window.sizes, window.totals, window.inner)), strict=True):
            level = int(size).bit_length() - 1
            while len(self.rows) <= level:
                self.rows.append([])
            self.rows[level].append((total, inner))
        self.width = int(window.sizes.sum())
        self.total = window.total
        self.squares = window.squares
        self.ticks = window.ticks

    def insert(self, value: float) -> None:
        """Take a value in, and merge the two oldest buckets of each size that has too many."""
        if self.width:
            self.squares += self.width * (value - self.total / self.width) ** 2 / (self.width + 1)
        self.width += 1
        self.total += value
        self.ticks += 1
        self.rows[0].append((value, 0.0))
        level, most = 0, self.rules.max_buckets
        while len(self.rows[level]) > most:
            if level + 1 == len(self.rows):
                self.rows.append([])
            row = self.rows[level]
            (t1, v1), (t2, v2) = row[0], row[1]
            size = float(1 << level)
            self.rows[level + 1].append((t1 + t2, v1 + v2 + (t1 - t2) ** 2 / (2.0 * size)))
            del row[:2]
            level += 1

    def drop_oldest(self) -> None:
        """Take the oldest bucket out."""
        level = len(self.rows) - 1
        total, inner = self.rows[level].pop(0)
        size = 1 << level
        self.width -= size
        self.total -= total
        between = (total / size - self.total / self.width) ** 2 * size * self.width / (size + self.width)
        self.squares = max(self.squares - inner - between, 0.0)
        while level and not self.rows[level]:
            self.rows.pop()
            level -= 1

    def largest_ratio(self) -> float:
        """Largest difference of the means of two parts over its bound; NaN where no cut is long enough."""
        rules = self.rules
        sizes = np.concatenate([np.full(len(row), 1 << k) for k, row in reversed(list(enumerate(self.rows)))])
        totals = np.array([t for row in reversed(self.rows) for t, _ in row])
        n0, u0 = np.cumsum(sizes)[:-1], np.cumsum(totals)[:-1]
        n1, u1 = self.width - n0, self.total - u0
        long = (n0 >= rules.shortest) & (n1 >= rules.shortest)
        if not long.any():
            return float("nan")
        n0, n1, u0, u1 = n0[long], n1[long], u0[long], u1[long]
        inverse = 1.0 / (n0 - rules.shortest + 1) + 1.0 / (n1 - rules.shortest + 1)
        log = np.log(2.0 * np.log(self.width) / rules.delta)
        bound = np.sqrt(2.0 * inverse * (self.squares / self.width) * log) + 2.0 / 3.0 * log * inverse
        return float(np.max(np.abs(u0 / n0 - u1 / n1) / bound))

    def frozen(self) -> AdaptiveWindow:
        """The window as it stands."""
        pairs = [(1 << k, t, v) for k, row in reversed(list(enumerate(self.rows))) for t, v in row]
        sizes, totals, inner = (np.array([p[i] for p in pairs]) for i in range(3))
        return AdaptiveWindow(
            sizes.astype(np.int64), totals.astype(float), inner.astype(float), self.total, self.squares, self.ticks
        )


def follow(
    window: AdaptiveWindow, values: np.ndarray, rules: WindowRules, *, reset: bool = False
) -> tuple[AdaptiveWindow, Looks]:
    """The window after values (n,), and what was found at each look.

    Parameters
    ----------
    window : AdaptiveWindow
    values : ndarray, shape (n,)
    rules : WindowRules
    reset : bool
        Begin an empty window after a cut, instead of keeping its newer part.
    """
    running = _Running(window, rules)
    found: list[tuple[int, float, bool, int, float]] = []
    for i, value in enumerate(values.tolist()):
        running.insert(value)
        if running.ticks % rules.clock or running.width <= rules.grace:
            continue
        ratio = first = running.largest_ratio()
        while ratio > 1.0:
            running.drop_oldest()
            ratio = running.largest_ratio()
        found.append((i, first, first > 1.0, running.width, running.total / running.width))
        if reset and first > 1.0:
            running = _Running(AdaptiveWindow.empty(), rules)
    columns = [np.array([f[k] for f in found]) for k in range(5)]
    looks = Looks(columns[0].astype(np.int64), columns[1].astype(float), columns[2].astype(bool),
                  columns[3].astype(np.int64), columns[4].astype(float))  # fmt: skip
    return running.frozen(), looks
