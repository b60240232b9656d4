"""Exact quantile regression on many rows: only rows in a narrow band around a good start enter the simplex.

Rows outside the band keep the sign of their residual and act through one vector, the sum of their
subgradients. After the simplex the signs of all rows are checked; rows on the wrong side join the band.
"""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads, progress_bar
from statinf.errors import DataError
from statinf.numerics.quantreg.starting import nearest_basis
from statinf.numerics.quantreg.vertex import descend

_ROWS_AT_ONCE = 4096
_AT_ONCE = 1 << 14
_MOST_ROUNDS = 500
_BYTES = 96 * 2**20
_PARALLEL_FROM = 1 << 20
_NONE = np.empty((0, 2), np.intp)


def solve_in_band(X, y, tau, w, pull, start):
    """Solve all problems in groups of bounded memory; arguments and results as in `solve_quantiles`."""
    n = len(X)
    size = max(1, int(_BYTES // (2 * n)))
    parts = []
    for at in progress_bar(range(0, len(tau), size), label="quantile regressions"):
        q = slice(at, at + size)
        yq, wq = (a if a is None or a.ndim == 1 else a[q] for a in (y, w))
        group = _Group(X, yq, tau[q], wq, pull[q], start.coef[q])
        parts.append(group.solve(start.undecided[q]))
    return tuple(np.concatenate(piece) for piece in zip(*parts, strict=True))


def _marked(marks: np.ndarray, first: int) -> np.ndarray:
    """Problem and row of each mark (Q, rows), shape (m, 2), problems in order; rows are counted from `first`."""
    found = [np.flatnonzero(own) + first for own in marks]
    which = np.repeat(np.arange(len(found)), [len(f) for f in found])
    return np.column_stack([which, np.concatenate(found)])


class _Group:
    """Some problems, the sign that each assumes of every row, and the rows in each band."""

    def __init__(self, X, y, tau, w, pull, start) -> None:
        self.X, self.y, self.tau, self.w, self.fixed = X, y, tau, w, pull
        self.Q, (self.n, self.p) = len(tau), X.shape
        self.coef = start.copy()
        self.below = np.empty((self.Q, self.n), bool)
        self.inside = np.zeros((self.Q, self.n), bool)
        self.rows: list[np.ndarray] = []
        self.pull = np.empty((self.Q, self.p))
        self.edge = np.zeros((self.Q, self.p))
        self.fall = np.zeros(self.Q)

    def solve(self, undecided):
        every = np.arange(self.Q)
        wanted = np.minimum(self.n, 10 * self.p + 5 * undecided)
        self._open_band(every, wanted)
        basis = np.full((self.Q, self.p), -1)
        dual = np.full((self.Q, self.p), np.nan)
        optimal = np.zeros(self.Q, bool)
        todo = every
        for _ in progress_bar(range(_MOST_ROUNDS), label="rounds, at most"):
            lost = self._simplex(todo, basis, dual)
            for q in todo[lost]:
                self._extend(q)
            wrong = self._check(todo[~lost])
            optimal[todo[~lost]] = ~wrong
            todo = np.concatenate([todo[lost], todo[~lost][wrong]])
            if not len(todo):
                break
        return self.coef, basis, dual, optimal

    def _over_blocks(self, block):
        height = int(np.clip(_AT_ONCE // self.Q, _ROWS_AT_ONCE, _AT_ONCE))
        blocks = [slice(at, min(at + height, self.n)) for at in range(0, self.n, height)]
        return map_threads(block, blocks, parallel=self.X.size > _PARALLEL_FROM)

    def _residual(self, q, rows):
        y = self.y[rows] if self.y.ndim == 1 else self.y[q, rows]
        return y - np.dot(self.coef[q], self.X[rows].T)

    def _weight(self, q, rows):
        return 1.0 if self.w is None else self.w[rows] if self.w.ndim == 1 else self.w[q, rows]

    def _open_band(self, problems, wanted) -> None:
        """Take about `wanted` rows nearest to each problem's coefficients; sum up the others."""
        sample = np.random.default_rng(1).integers(0, self.n, min(self.n, 20_000)) if self.n > 20_000 else slice(None)
        near = np.abs(self._sampled_residual(problems, sample))
        rank = np.minimum(near.shape[1] - 1, np.ceil(near.shape[1] * wanted / self.n)).astype(int)
        near.sort(axis=1)
        self._split(problems, near[np.arange(len(near)), rank])

    def _sampled_residual(self, problems, sample):
        y = self.y[sample] if self.y.ndim == 1 else self.y[problems][:, sample]
        return y - self.coef[problems] @ self.X[sample].T

    def _split(self, problems, width) -> None:
        every = len(problems) == self.Q and self.Q > 1
        q = slice(None) if every else problems

        def block(rows: slice) -> tuple[np.ndarray, np.ndarray]:
            residual = self._residual(q, rows)
            below = residual < 0
            inside = np.abs(residual) <= width[:, None]
            psi = (self.tau[q][:, None] - below) * self._weight(q, rows)
            psi[inside] = 0.0
            self.below[q, rows], self.inside[q, rows] = below, inside
            return np.dot(psi, self.X[rows]), _marked(inside, rows.start)

        sums, found = zip(*self._over_blocks(block), strict=True)
        self.pull[problems] = np.sum(sums, axis=0) + self.fixed[problems]
        pairs = np.concatenate(found)
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        cuts = np.searchsorted(pairs[:, 0], np.arange(1, len(problems)))
        chosen = np.split(pairs[:, 1], cuts)
        if not self.rows:
            self.rows = chosen
        else:
            for number, rows in zip(problems, chosen, strict=True):
                self.rows[number] = rows

    def _gather(self, problems):
        most = max(len(self.rows[q]) for q in problems)
        index = np.zeros((len(problems), most), np.intp)
        real = np.zeros((len(problems), most), bool)
        for k, q in enumerate(problems):
            index[k, : len(self.rows[q])] = self.rows[q]
            real[k, : len(self.rows[q])] = True
        X = self.X[index]
        y = self.y[index] if self.y.ndim == 1 else np.take_along_axis(self.y[problems], index, axis=1)
        if self.w is None:
            w = real.astype(float)
        else:
            w = real * (self.w[index] if self.w.ndim == 1 else np.take_along_axis(self.w[problems], index, axis=1))
        return index, X, y, w

    def _simplex(self, problems, basis, dual) -> np.ndarray:
        """Solve the bands; returns which problems need more rows."""
        index, X, y, w = self._gather(problems)
        self.edge[problems] = 0.0
        if index.shape[1] < self.p:
            return np.ones(len(problems), bool)
        residual = y - (X @ self.coef[problems][:, :, None])[:, :, 0]
        first, independent = nearest_basis(X, residual, w > 0)
        if not independent.all():
            full = [len(self.rows[q]) == self.n for q in problems]
            if (np.array(full) & ~independent).any():
                raise DataError("the regressors are not of full column rank on the rows of positive weight.")
        lost = ~independent
        use = np.flatnonzero(independent)
        if len(use):
            got = descend(X[use], y[use], w[use], self.pull[problems[use]], self.tau[problems[use]], first[use])
            lost[use[~got.optimal]] = True
            fine = use[got.optimal]
            self.coef[problems[use]] = got.coef
            self.edge[problems[use]], self.fall[problems[use]] = got.edge, got.fall
            at = problems[fine]
            basis[at] = np.take_along_axis(index[fine], got.basis[got.optimal], axis=1)
            dual[at] = got.dual[got.optimal]
        return lost

    def _check(self, problems) -> np.ndarray:
        """Whether any row outside the band changed sign; such rows join the band."""
        wrong = np.zeros(len(problems), bool)
        if not len(problems):
            return wrong
        q = slice(None) if len(problems) == self.Q and self.Q > 1 else problems

        def block(rows: slice) -> np.ndarray:
            flipped = ((self._residual(q, rows) < 0) ^ self.below[q, rows]) & ~self.inside[q, rows]
            return _marked(flipped, rows.start) if flipped.any() else _NONE

        pairs = np.concatenate(self._over_blocks(block))
        if not len(pairs):
            return wrong
        for k in np.unique(pairs[:, 0]):
            self._admit(problems[k], pairs[pairs[:, 0] == k, 1])
            wrong[k] = True
        return wrong

    def _admit(self, q, rows) -> None:
        """Move rows into the band of problem q."""
        psi = self.tau[q] - self.below[q, rows]
        psi = psi * np.broadcast_to(self._weight(q, slice(None)), self.n)[rows]
        self.pull[q] -= psi @ self.X[rows]
        self.inside[q, rows] = True
        self.rows[q] = np.concatenate([self.rows[q], rows])

    def _extend(self, q) -> None:
        """Admit the rows that stop an endless edge, or twice the band where there was no edge to follow."""
        if not self.edge[q].any():
            self._open_band(np.array([q]), min(self.n, 4 * len(self.rows[q]) + 4 * self.p))
            return
        residual = self._residual(q, slice(None))
        along = self.X @ self.edge[q]
        outside = ~self.inside[q]
        ahead = np.flatnonzero(np.where(residual >= 0, along > 0, along < 0) & outside)
        at = residual[ahead] / along[ahead]
        order = np.argsort(at)
        gain = np.broadcast_to(self._weight(q, slice(None)), self.n)[ahead] * np.abs(along[ahead])
        needed = int(np.searchsorted(np.cumsum(gain[order]), -self.fall[q])) + 1
        admitted = np.zeros(self.n, bool)
        admitted[ahead[order[: 2 * needed + self.p]]] = True
        admitted |= ((residual < 0) ^ self.below[q]) & outside
        self._admit(q, np.flatnonzero(admitted))
