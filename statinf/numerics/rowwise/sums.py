"""Sums over rows behind a linear predictor, in blocks that stay in the cache.

Newton steps of weighting methods need, for every row, a scalar function of ``z_i' beta`` and the sums of its
value, gradient and Hessian. Gathering, centring and scaling each block on the way costs less than one read of
the matrix from memory, so nothing of the size of the data is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from statinf.backend import map_threads, one_blas_thread
from statinf.backend.threads import cores

_BLOCK = 100_000
"""Matrix elements in a block: few enough for a core's cache, enough that threads seldom wait for the interpreter."""
_PARALLEL_FROM = 300_000
"""Matrix elements from which blocks are spread over two threads or more."""
_GUESS_ROWS = 20_000
"""Rows that give a mean well enough to start from."""

RUN = 8
"""Rows next to one another that are read at once where some stand for all: a line of the cache holds eight numbers."""

RowFunction = Callable[[np.ndarray, slice], tuple[np.ndarray, np.ndarray, np.ndarray]]


def some_rows(values: np.ndarray, count: int) -> np.ndarray:
    """About `count` rows of an array, in short runs spread evenly: a run costs hardly more to read than a row."""
    strata = max(1, count // RUN)
    width = len(values) // strata
    if width < 2 * RUN:
        return values
    runs = values[: strata * width].reshape(strata, width, *values.shape[1:])[:, :RUN]
    return runs.reshape(-1, *values.shape[1:])


class NewtonSums(NamedTuple):
    """Sums of a row function, gradient (q,) and Hessian (q, q), and how far a mean (p,) lies from the centre."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray | None
    gap: np.ndarray | None


@dataclass(frozen=True)
class ScaledRows:
    """Rows ``z_i = ((x_i - centre) / scale)``, with a leading one if `intercept`.

    Parameters
    ----------
    x : ndarray, shape (N, p)
    index : ndarray of int, shape (n,), optional
        The rows of `x` that take part; all of them by default.
    centre, scale : ndarray, shape (p,)
    intercept : bool
    target : ndarray, shape (N,), optional
        The weights, of sum one, of all rows in the mean that `centre` stands for, up to rounding or as a guess.
    """

    x: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    index: np.ndarray | None = None
    intercept: bool = False
    target: np.ndarray | None = None

    @staticmethod
    def about_mean(x: np.ndarray, index: np.ndarray, w: np.ndarray, scale: np.ndarray) -> ScaledRows:
        """Some rows, `index` (n,), centred about the mean of all under weights w of sum one, (N,).

        The first pass over the rows takes the mean itself; where there are many the centre is the mean of a few.
        """
        with one_blas_thread():  # a pool woken here would spin on the cores that the passes need
            if len(x) >= 2 * _GUESS_ROWS:
                some = some_rows(w, _GUESS_ROWS)
                mass = float(some.sum())
                if mass > 0.0 and mass**2 > _GUESS_ROWS / 10 * float(np.dot(some, some)):
                    return ScaledRows(x, np.dot(some, some_rows(x, _GUESS_ROWS)) / mass, scale, index, target=w)
            return ScaledRows(x, np.dot(w, x), scale, index, target=w)

    @property
    def n(self) -> int:
        return len(self.x) if self.index is None else len(self.index)

    @property
    def q(self) -> int:
        """Number of coefficients, the intercept included."""
        return self.x.shape[1] + self.intercept

    def block(self, rows: slice) -> np.ndarray:
        """The standardised rows of one block, shape (b, q)."""
        raw = self.x[rows] if self.index is None else _gather(self.x, self.index[rows], None)
        out = np.empty((len(raw), self.q))
        body = out[:, 1:] if self.intercept else out
        np.subtract(raw, self.centre, out=body)
        body /= self.scale
        if self.intercept:
            out[:, 0] = 1.0
        return out

    def matrix(self) -> np.ndarray:
        """All rows at once, shape (n, q)."""
        return self.block(slice(0, self.n))

    def take(self, rows: np.ndarray) -> ScaledRows:
        """A copy of some of the rows, by position among those that take part."""
        chosen = rows if self.index is None else self.index[rows]
        return ScaledRows(_gather(self.x, chosen, None), self.centre, self.scale, None, self.intercept)

    def predictor(self, beta: np.ndarray) -> np.ndarray:
        """``z_i' beta`` for every row, shape (n,)."""
        slope, shift = self._raw_coefficients(beta)
        out = np.empty(self.n)

        def fill(rows: slice) -> None:
            for small in _blocks(rows, _rows_of(self.q)):
                raw = self.x[small] if self.index is None else _gather(self.x, self.index[small], None)
                np.dot(self._near(raw, None), slope, out=out[small])
                out[small] += shift

        map_threads(fill, self._parts())
        return out

    def sums(self, beta: np.ndarray, function: RowFunction) -> tuple[float, np.ndarray, np.ndarray]:
        """Sums of a row function of ``z_i' beta``: value, gradient (q,), Hessian (q, q).

        `function(eta, rows)` gets the predictor of a block, which it may overwrite, and the block's positions and
        returns the values, first and second derivatives with respect to the predictor.
        """
        value, gradient, hessian, _ = self.all_sums(beta, function)
        assert hessian is not None
        return value, gradient, hessian

    def first_sums(self, beta: np.ndarray, function: RowFunction) -> tuple[float, np.ndarray]:
        """The value and gradient of `sums` alone, in about half the time."""
        return self.all_sums(beta, function, curved=False)[:2]

    def all_sums(
        self,
        beta: np.ndarray,
        function: RowFunction,
        *,
        curved: bool = True,
        offset: float = 0.0,
        mean_of: np.ndarray | None = None,
    ) -> NewtonSums:
        """`sums` with more choices.

        Parameters
        ----------
        beta : ndarray, shape (q,)
        function : callable
            Its second derivatives are not negative.
        curved : bool
            Whether the Hessian is wanted.
        offset : float
            Added to every predictor.
        mean_of : ndarray, shape (N,), optional
            Weights, of sum one, of the raw rows of `x`, whose mean is taken while these are in the cache.
        """
        slope, shift = self._raw_coefficients(beta)
        shift += offset
        p = self.x.shape[1]

        def part(rows: slice) -> tuple[np.ndarray, ...]:
            totals, first, second, square, mean = np.zeros(3), np.zeros(p), np.zeros(p), np.zeros((p, p)), np.zeros(p)
            size = min(_rows_of(p), max(1, rows.stop - rows.start))
            # Made once: memory of this size handed back at every block would be cleared and mapped anew for the next.
            room, roots = _room(self.x, size), np.empty(size)
            for small in _blocks(rows, size):
                if mean_of is not None:
                    near = self._share(small)
                    mean += np.dot(mean_of[near], self._near(self.x[near], None))
                raw = self._near(
                    self.x[small] if self.index is None else _gather(self.x, self.index[small], room), room
                )
                eta = np.dot(raw, slope)
                eta += shift
                f, d1, d2 = function(eta, small)
                mass1, moment1 = d1.sum(), np.dot(d1, raw)
                same = d2 is d1  # as in exponential families, whose derivatives are all one function
                totals += mass1 if f is d1 else f.sum(), mass1, mass1 if same else d2.sum()
                first += moment1
                if curved:
                    # A product of a matrix with itself takes half the work of one of two.
                    root = np.sqrt(d2, out=roots[: len(d2)])
                    rooted = np.multiply(raw, root[:, None], out=room[: len(raw)])
                    second += moment1 if same else np.dot(root, rooted)
                    square += np.dot(rooted.T, rooted)
            return totals, first, second, square, mean

        totals, first, second, square, mean = (
            np.sum(piece, axis=0) for piece in zip(*map_threads(part, self._parts()), strict=True)
        )
        value, mass1, mass2 = totals
        gradient = (first - self._left * mass1) / self.scale
        if self.intercept:
            gradient = np.r_[mass1, gradient]
        hessian = self._centred_square(mass2, second, square) if curved else None
        return NewtonSums(float(value), gradient, hessian, None if mean_of is None else mean - self._left)

    def _share(self, rows: slice) -> slice:
        """A block's share of the rows of `x`: those about its own rows, if the index is spread evenly."""
        return slice(rows.start * len(self.x) // self.n, rows.stop * len(self.x) // self.n)

    def _centred_square(self, mass: float, first: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Sums of products of standardised columns from those of raw ones."""
        outer = np.outer(self._left, first)
        square = square - outer - outer.T + np.outer(self._left, self._left) * mass
        square /= np.outer(self.scale, self.scale)
        if not self.intercept:
            return square
        cross = (first - self._left * mass) / self.scale
        return np.block([[np.full((1, 1), mass), cross[None, :]], [cross[:, None], square]])

    @cached_property
    def _left(self) -> np.ndarray:
        """What sums of rows are centred by afterwards: nothing, where that would lose digits and each row is."""
        near = np.max(np.abs(self.centre) / self.scale, initial=0.0) < 30.0
        return self.centre if near else np.zeros_like(self.centre)

    def _near(self, raw: np.ndarray, room: np.ndarray | None) -> np.ndarray:
        """Rows as they are, or less the centre if sums of them would lose digits."""
        if self._left is self.centre:
            return raw
        return np.subtract(raw, self.centre, out=None if room is None else room[: len(raw)])

    def _raw_coefficients(self, beta: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients of the rows as `_near` gives them, and the constant."""
        slope = (beta[1:] if self.intercept else beta) / self.scale
        return slope, float((beta[0] if self.intercept else 0.0) - self._left @ slope)

    def _parts(self) -> list[slice]:
        return _split(self.n, self.n * self.q)


def _room(x: np.ndarray, rows: int) -> np.ndarray:
    """Memory for some rows of x in its own order."""
    return np.empty((rows, x.shape[1]), order="C" if x.flags.c_contiguous else "F")


def _gather(x: np.ndarray, at: np.ndarray, room: np.ndarray | None) -> np.ndarray:
    out = (_room(x, len(at)) if room is None else room)[: len(at)]
    # With any other mode an output is filled by way of a copy.
    if x.flags.c_contiguous:
        return x.take(at, axis=0, out=out, mode="clip")
    # take() would first copy a column-major matrix whole.
    for j in range(x.shape[1]):
        x[:, j].take(at, out=out[:, j], mode="clip")
    return out


def _split(n: int, elements: int) -> list[slice]:
    workers = cores() if elements >= _PARALLEL_FROM else 1
    edges = np.linspace(0, n, workers + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _rows_of(columns: int) -> int:
    return max(256, _BLOCK // max(columns, 1))


def _blocks(rows: slice, size: int) -> Iterator[slice]:
    for start in range(rows.start, rows.stop, size):
        yield slice(start, min(start + size, rows.stop))
