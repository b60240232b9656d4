"""Random assignments of a treatment as they could have been, and the statistics of a regression under each.

Under the sharp null hypothesis that the treatment adds tau to every outcome, the outcomes under any other assignment are
known. By the theorem of Frisch, Waugh and Lovell the coefficient of a newly assigned treatment, its residuals and its robust
variance come from the part of the treatment that the other columns do not explain: one product of the matrix of assignments
with those columns, and no refit. The studentised coefficient keeps the test's size in large samples under the weaker
hypothesis of no average effect too (Wu and Ding 2021, Journal of the American Statistical Association 116, arXiv 1809.07419).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial, prod

import numpy as np

from statinf.backend import cores, generator, map_threads, rows_per_chunk
from statinf.brief import Brief
from statinf.inference.inversion import NullDraws
from statinf.inference.weights import BLOCK


@dataclass(frozen=True, repr=False)
class Assignment(Brief):
    """How a treatment was assigned.

    Attributes
    ----------
    values : ndarray, shape (u,)
        Treatment of each unit.
    blocks : ndarray of int, shape (u,)
        Units of one block exchange their treatments.
    unit : ndarray of int, shape (n,)
        The unit of each row.
    """

    values: np.ndarray
    blocks: np.ndarray
    unit: np.ndarray

    @property
    def count(self) -> float:
        """Number of different assignments; infinite where it is too large for a number."""
        ways = 1
        for block in range(int(self.blocks.max()) + 1):
            here = Counter(self.values[self.blocks == block].tolist())
            ways *= factorial(sum(here.values())) // prod(map(factorial, here.values()))
            if ways > 10**15:
                return np.inf
        return float(ways)

    def every(self) -> np.ndarray:
        """All different assignments, shape (count, u)."""
        out = np.empty((int(self.count), len(self.values)))
        places = [np.flatnonzero(self.blocks == b) for b in range(int(self.blocks.max()) + 1)]
        repeat = 1
        for place in places:
            ways = np.array(list(_arrangements(Counter(self.values[place].tolist()))))
            column = np.repeat(np.arange(len(ways)), repeat)
            out[:, place] = ways[np.resize(column, len(out))]
            repeat *= len(ways)
        return out

    def drawn(self, start: int, stop: int, seed: int) -> np.ndarray:
        """Random assignments `start` to `stop`, shape (stop - start, u); `start` is a multiple of `BLOCK`."""
        order = np.argsort(self.blocks, kind="stable")
        out = np.empty((stop - start, len(self.values)))
        one = int(self.blocks.max()) == 0
        for first in range(start, stop, BLOCK):
            random = generator(seed, 61, first // BLOCK)
            rows = slice(first - start, min(first + BLOCK, stop) - start)
            size = rows.stop - rows.start
            if one:
                out[rows] = random.permuted(np.broadcast_to(self.values, (size, len(self.values))), axis=1)
                continue
            keys = self.blocks[order] + random.random((size, len(order)))
            out[rows][:, order] = self.values[order][np.argsort(keys, axis=1)]
        return out


def _arrangements(left: Counter[float]) -> Iterator[tuple[float, ...]]:
    """Different orders of a multiset."""
    if not sum(left.values()):
        yield ()
        return
    for value in sorted(v for v, n in left.items() if n):
        left[value] -= 1
        for rest in _arrangements(left):
            yield (value, *rest)
        left[value] += 1


@dataclass(frozen=True, repr=False)
class PartialRegression(Brief):
    """A regression less the columns beside the treatment, rows times the roots of their weights.

    Attributes
    ----------
    root : ndarray, shape (n,)
        Roots of the weights.
    basis : ndarray, shape (n, k - 1)
        Orthonormal columns that span the others.
    residual, own : ndarray, shape (n,)
        Residuals of the regression, and of the treatment as it was on the other columns.
    kind : {"iid", "HC0", "HC1", "HC2", "HC3", ""}
        Of the variance; empty for none.
    codes : ndarray of int, shape (n,), or None
        Clusters of the variance.
    factor : float
        Small-sample factor of the variance.
    """

    root: np.ndarray
    basis: np.ndarray
    residual: np.ndarray
    own: np.ndarray
    kind: str
    codes: np.ndarray | None
    factor: float

    def sums(self, treatments: np.ndarray) -> np.ndarray:
        """Numerator and square of the statistics of treatments (b, n) as polynomials of the gap, shape (b, 5)."""
        apart = treatments * self.root
        apart -= (apart @ self.basis) @ self.basis.T
        length = np.einsum("ij,ij->i", apart, apart)
        flat = length <= 1e-12 * (self.own @ self.own)
        length = np.where(flat, np.inf, length)
        top = np.stack([apart @ self.residual, apart @ self.own], axis=1) / length[:, None]
        if not self.kind:
            return np.column_stack([top, np.ones(len(top)), np.zeros((len(top), 2))])
        first = self.residual - top[:, :1] * apart
        second = self.own - top[:, 1:] * apart
        if self.kind == "iid":
            scale = (self.factor / length)[:, None]
        else:
            gain = self._gain(apart, length)
            first, second = self._by_cluster(first * gain), self._by_cluster(second * gain)
            scale = (self.factor / length**2)[:, None]
        square = [_dots(first, first), 2.0 * _dots(first, second), _dots(second, second)]
        return np.column_stack([top, scale * np.stack(square, axis=1)])

    def _gain(self, apart: np.ndarray, length: np.ndarray) -> np.ndarray:
        """What residuals are multiplied by before they are squared."""
        if self.kind in ("HC0", "HC1"):
            return apart
        leverage = np.einsum("ij,ij->i", self.basis, self.basis) + apart**2 / length[:, None]
        left = np.maximum(1.0 - leverage, 1e-10)
        return apart / (np.sqrt(left) if self.kind == "HC2" else left)

    def _by_cluster(self, scores: np.ndarray) -> np.ndarray:
        if self.codes is None:
            return scores
        order = np.argsort(self.codes, kind="stable")
        starts = np.searchsorted(self.codes[order], np.arange(int(self.codes.max()) + 1))
        return np.add.reduceat(scores[:, order], starts, axis=1)


def assigned_draws(regression: PartialRegression, assignment: Assignment, permutations: int, seed: int) -> NullDraws:
    """The statistic under each assignment: under all where there are no more than asked for, else under random ones."""
    every = assignment.count <= permutations
    treatments = assignment.every() if every else np.empty((0, 0))
    replicas = len(treatments) if every else permutations
    size = max(BLOCK, rows_per_chunk(56.0 * len(assignment.unit), 64 * 2**20, at_most=32 * BLOCK) // BLOCK * BLOCK)

    def run(start: int) -> np.ndarray:
        stop = min(start + size, replicas)
        units = treatments[start:stop] if every else assignment.drawn(start, stop, seed)
        return regression.sums(units[:, assignment.unit])

    busy = cores() > 1 and replicas * len(assignment.unit) > 1 << 20
    made = np.concatenate(map_threads(run, range(0, replicas, size), parallel=busy))
    own = regression.sums(assignment.values[assignment.unit][None])[0]
    return NullDraws(made[:, :2], made[:, 2:], float(np.sqrt(own[2])), ties=True, added=int(not every))


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)
