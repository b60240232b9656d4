"""Tests from draws of a t statistic that depend on the null value, inverted exactly into confidence sets.

Under the null value theta - d a draw is (a + b d) / sqrt(c0 + c1 d + c2 d^2) and the sample's own statistic is d / se, so
that each draw exceeds it between roots of one polynomial of degree four. The share of draws that do is a step function of
the null value whose steps are all these roots: no search and no grid is needed, and sets of several pieces are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief

SLACK = 1e-9
"""Relative slack of comparisons: a draw that equals the sample's statistic in exact arithmetic must do so in floats."""
_LEADING = 1e-13
_REAL = 1e-6


@dataclass(frozen=True, repr=False)
class NullDraws(Brief):
    """Draws of a t statistic for every null value.

    Attributes
    ----------
    numerator : ndarray, shape (draws, 2)
        Coefficients of 1 and d.
    square : ndarray, shape (draws, 3)
        Of 1, d and d squared: the square of the draw's standard error.
    std_error : float
        Of the estimate itself.
    ties : bool
        Whether draws that equal the sample's statistic count as extreme.
    added : int
        1 where the sample is one more of the equally likely draws, which p-values then count.
    """

    numerator: np.ndarray
    square: np.ndarray
    std_error: float
    ties: bool = False
    added: int = 0

    @property
    def size(self) -> int:
        return len(self.numerator)

    def statistics(self, gap: float) -> np.ndarray:
        """The draws for the null value that lies `gap` below the estimate, shape (draws,)."""
        top, root = self._parts(np.full(self.size, gap / self.std_error))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((top == 0.0) & (root == 0.0), 0.0, top / root)

    def p_value(self, gap: float, side: str = "two-sided", interval: str = "symmetric") -> float:
        """P-value of the null value that lies `gap` below the estimate.

        Parameters
        ----------
        gap : float
        side : {"two-sided", "less", "greater"}
        interval : {"symmetric", "equal-tailed"}
            Of two-sided tests: absolute statistics are compared, or twice the smaller tail is taken.
        """
        x = np.full(self.size, gap / self.std_error)
        shares = [self._share(float(np.count_nonzero(self._extreme(x, tail)))) for tail in _tails(side, interval)]
        return float(min(1.0, len(shares) * min(shares)))

    def confidence_set(
        self, level: float, side: str = "two-sided", interval: str = "symmetric"
    ) -> list[tuple[float, float]]:
        """Gaps, as pieces (low, high), whose null value is not rejected at one less the level."""
        tails = _tails(side, interval)
        # A share that equals one less the level rejects, in floats too.
        bound = (1.0 - level) / len(tails) + 1e-12
        kept: list[tuple[float, float]] | None = None
        for tail in tails:
            edges, counts = self._steps(tail)
            pieces = _where(edges, np.array([self._share(c) for c in counts]) > bound)
            kept = pieces if kept is None else _common(kept, pieces)
        assert kept is not None
        return [(low * self.std_error, high * self.std_error) for low, high in kept]

    def _share(self, count: float) -> float:
        return (count + self.added) / (self.size + self.added)

    def _parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = (x * self.std_error).reshape(self.size, -1)
        top = self.numerator[:, :1] + d * self.numerator[:, 1:]
        square = self.square[:, :1] + d * (self.square[:, 1:2] + d * self.square[:, 2:])
        return top.reshape(x.shape), np.sqrt(np.maximum(square, 0.0)).reshape(x.shape)

    def _extreme(self, x: np.ndarray, tail: str) -> np.ndarray:
        """Which draws are more extreme than the statistic x, of the shape of x: (draws,) or (draws, k)."""
        top, root = self._parts(x)
        own = x * root
        if tail == "both":
            top, own = np.abs(top), np.abs(own)
        elif tail == "less":
            top, own = -top, -own
        slack = SLACK * np.maximum(np.abs(top), np.abs(own))
        return top >= own - slack if self.ties else top > own + slack

    @cached_property
    def _roots(self) -> np.ndarray:
        """Statistics x at which a draw equals plus or minus x, ascending, infinite where there are fewer, (draws, 4)."""
        a, b = self.numerator[:, 0], self.numerator[:, 1] * self.std_error
        s0, s1, s2 = (self.square * self.std_error ** np.arange(3)).T
        terms = np.column_stack([a * a, 2 * a * b, b * b, s0, s1, s2])
        size = np.abs(terms).max(axis=1)
        polynomial = np.column_stack([terms[:, 0], terms[:, 1], terms[:, 2] - s0, -s1, -s2])
        same = np.abs(polynomial).max(axis=1) <= SLACK * size
        with np.errstate(divide="ignore", invalid="ignore"):
            polynomial = polynomial / np.abs(polynomial).max(axis=1, keepdims=True)
        out = np.full((self.size, 4), np.inf)
        # A draw that is the sample's statistic whatever the null value, or its negative, changes side at zero only.
        out[same, 0] = 0.0
        clear = np.abs(polynomial) > _LEADING
        degree = np.where(same, 0, 4 - np.argmax(clear[:, ::-1], axis=1))
        for order in range(1, 5):
            mine = np.flatnonzero(degree == order)
            if len(mine):
                out[mine, :order] = _real_roots(polynomial[mine, : order + 1])
        return np.sort(out, axis=1)

    def _steps(self, tail: str) -> tuple[np.ndarray, np.ndarray]:
        """Statistics at which the number of extreme draws changes (s,), and the numbers between them (s + 1,)."""
        roots = self._roots
        edges = np.column_stack([np.full(self.size, -np.inf), roots, np.full(self.size, np.inf)])
        low, high = edges[:, :-1], edges[:, 1:]
        with np.errstate(invalid="ignore"):
            inner = 0.5 * (low + high)
            below, above = high - 1.0 - np.abs(high), low + 1.0 + np.abs(low)
        inside = np.where(np.isinf(low), np.where(np.isinf(high), 1.0, below), np.where(np.isinf(high), above, inner))
        extreme = self._extreme(inside, tail)
        for j in range(1, extreme.shape[1]):  # no segment lies between two roots at infinity
            gone = np.isinf(low[:, j])
            extreme[gone, j] = extreme[gone, j - 1]
        change = np.diff(extreme.astype(np.int64), axis=1)
        moved = change != 0
        at, by = roots[moved], change[moved]
        order = np.argsort(at, kind="stable")
        counts = int(extreme[:, 0].sum()) + np.concatenate([[0], np.cumsum(by[order])])
        return at[order], counts


def _tails(side: str, interval: str) -> tuple[str, ...]:
    if side == "two-sided":
        return ("both",) if interval == "symmetric" else ("greater", "less")
    return (side,)


def _real_roots(polynomial: np.ndarray) -> np.ndarray:
    """Real roots of polynomials with ascending coefficients (m, order + 1), infinite in place of complex ones, (m, order)."""
    order = polynomial.shape[1] - 1
    companion = np.zeros((len(polynomial), order, order))
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    companion[:, :, -1] = -polynomial[:, :-1] / polynomial[:, -1:]
    found = np.linalg.eigvals(companion)
    real = np.abs(found.imag) <= _REAL * (1.0 + np.abs(found.real))
    x = np.where(real, found.real, 0.0)
    slopes = polynomial[:, 1:] * np.arange(1, order + 1)
    for _ in range(2):
        value, slope = _horner(polynomial, x), _horner(slopes, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = value / slope
        x = x - np.where(np.isfinite(step) & (np.abs(step) < 1e-3 * (1.0 + np.abs(x))), step, 0.0)
    return np.where(real, x, np.inf)


def _horner(polynomial: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.zeros_like(x)
    for column in polynomial.T[::-1]:
        out = out * x + column[:, None]
    return out


def _where(edges: np.ndarray, kept: np.ndarray) -> list[tuple[float, float]]:
    """Pieces of the line, cut at ascending edges (s,), on which `kept` (s + 1,) holds; neighbours are joined."""
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    pieces: list[tuple[float, float]] = []
    for low, high, keep in zip(ends[:-1].tolist(), ends[1:].tolist(), kept.tolist(), strict=True):
        if not keep or low == high:
            continue
        if pieces and pieces[-1][1] == low:
            pieces[-1] = (pieces[-1][0], high)
        else:
            pieces.append((low, high))
    return pieces


def _common(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where both unions of pieces lie."""
    both = [(max(a, c), min(b, d)) for a, b in first for c, d in second]
    return sorted((low, high) for low, high in both if low < high)
