"""Columns less their weighted projection on the levels of several factors.

One factor is closed form: group means. With several, the effects of the largest factor are eliminated from the normal
equations of all effects, and conjugate gradients solve for the others on sums by cells of levels, several columns at once:
what alternating projections between the factors converge to (Guimaraes and Portugal 2010; Gaure 2013; Correia 2016;
Berge 2018), with steps that touch the filled cells and not the rows. Projections are then checked on the rows themselves:
one more projection on any factor must not move a column by more than `tol` of its length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import ConvergenceError
from statinf.numerics.absorb.conjugate import conjugate_gradients
from statinf.numerics.absorb.direct import factorised
from statinf.numerics.absorb.factors import Factors

TOLERANCE = 1e-8
"""Share of a column's length by which one more projection may move it."""
SPANNED = 1e-9
"""A column of which less than this share of its length about its mean is left is a sum of effects."""
_BLOCK = 8
_ROUNDS = 8
_PARALLEL_FROM = 1 << 19
_SLOW = 50
"""Steps after which the equations are factorised if they can be."""


@dataclass(frozen=True, eq=False)
class Demeaned:
    """Columns less what effects make of them.

    Attributes
    ----------
    columns : ndarray, shape (n, p)
        Column-major. Columns that the effects span are zero.
    effects : tuple of ndarray, shape (levels, p)
        By factor; the column is `columns` plus the effects of its row's levels.
    spanned : ndarray of bool, shape (p,)
    iterations : int
        Most steps of conjugate gradients that a block of columns took; 0 for one factor.
    """

    columns: np.ndarray
    effects: tuple[np.ndarray, ...]
    spanned: np.ndarray
    iterations: int


@dataclass(frozen=True, eq=False)
class Demeaner:
    """Projections on the levels of factors, under one set of weights.

    Attributes
    ----------
    factors : Factors
    weights : ndarray, shape (n,), or None
        Not negative; None for ones.
    tol : float
        See `TOLERANCE`.
    max_iter : int
        Most steps of conjugate gradients for a column.
    """

    factors: Factors
    weights: np.ndarray | None = None
    tol: float = TOLERANCE
    max_iter: int = 10_000
    _shared: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)

    @cached_property
    def totals(self) -> list[np.ndarray]:
        """Sum of weights of each level, by factor."""
        found = []
        for code, size in zip(self.factors.codes, self.factors.sizes, strict=True):
            found.append(np.bincount(code, weights=self.weights, minlength=size).astype(np.float64))
        return found

    @cached_property
    def inverses(self) -> list[np.ndarray]:
        """One over the totals; zero for a level without weight."""
        return [np.divide(1.0, t, out=np.zeros_like(t), where=t > 0.0) for t in self.totals]

    @cached_property
    def cells(self) -> dict[tuple[int, int], Any]:
        """Sums of weights by cell of two factors."""
        return {pair: crossing.sums(self.weights) for pair, crossing in self.factors.crossings.items()}

    @cached_property
    def _preconditioner(self) -> np.ndarray:
        """One over the diagonal of the normal equations that the main factor has been eliminated from."""
        main, found = self.factors.main, []
        for q in self.factors.others:
            cells = self.cells[main, q]
            square = cells.copy()
            square.data = cells.data**2
            left = self.totals[q] - square.T @ self.inverses[main]
            # A level that lies within one of the main factor's has nothing of its own.
            own = left > 1e-10 * self.totals[q]
            found.append(np.divide(1.0, left, out=np.zeros_like(left), where=own))
        return np.concatenate(found)

    @property
    def _factor(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """About the inverse of the equations that the main factor is eliminated from, where they are small and sparse."""
        with self._lock:
            if "solve" not in self._shared:
                self._shared["solve"] = factorised(self.factors, self.totals, self.inverses, self.cells)
            solve = self._shared["solve"]
        if solve is None:
            return None

        def near(residual: np.ndarray) -> np.ndarray:
            with self._lock:
                return solve(residual)

        return near

    def __call__(self, columns: np.ndarray, *, overwrite: bool = False) -> Demeaned:
        """Project columns (n, p) off the effects; in place if `overwrite` and they are column-major.

        Raises
        ------
        ConvergenceError
            If a projection does not converge within `max_iter` steps, with what is left.
        """
        n, p = columns.shape
        out = columns if overwrite and columns.flags.f_contiguous else np.array(columns, dtype=np.float64, order="F")
        effects = tuple(np.zeros((size, p)) for size in self.factors.sizes)
        if len(self.factors.sizes) > 1 and p:
            # Made before threads ask for them.
            _ = self._preconditioner
        width = max(1, min(_BLOCK, -(-p // 2)))
        blocks = [slice(a, min(a + width, p)) for a in range(0, p, width)]
        found = map_threads(
            lambda block: self._project(out[:, block], [e[:, block] for e in effects]),
            blocks,
            parallel=n * p > _PARALLEL_FROM,
        )
        spanned = np.concatenate([s for s, _ in found]) if found else np.zeros(0, bool)
        return Demeaned(out, effects, spanned, max((k for _, k in found), default=0))

    def _project(self, x: np.ndarray, effects: list[np.ndarray]) -> tuple[np.ndarray, int]:
        """Project a block in place and add to its effects; which columns are spanned, and the steps taken."""
        first = self._centre(x, effects)
        steps, left = 0, np.arange(x.shape[1])
        spanned = np.zeros(x.shape[1], dtype=bool)
        moved = np.zeros(x.shape[1])
        for _ in range(_ROUNDS):
            sums = [self._sums(x, q, left) for q in range(len(self.factors.sizes))]
            length = self._length(x, left)
            moved = np.sqrt(np.max([i @ s**2 for i, s in zip(self.inverses, sums, strict=True)], axis=0))
            if not np.isfinite(moved + length).all():
                raise ConvergenceError(
                    "a column to project off the absorbed effects holds values that are no numbers, or too large; rescale it."
                )
            spanned[left] = length <= SPANNED * first[left]
            more = (moved > self.tol * length) & ~spanned[left]
            if not more.any():
                x[:, spanned] = 0.0
                return spanned, steps
            left, length, moved = left[more], length[more], moved[more] / length[more]
            if steps >= self.max_iter:
                break
            found, taken = self._solve([s[:, more] for s in sums], length, self.max_iter - steps)
            steps += taken
            for q, change in enumerate(found):
                effects[q][:, left] += change
                self._subtract(x, q, left, change)
        raise ConvergenceError(
            f"the projection on the absorbed effects did not converge in {steps} steps: one more would still move "
            f"{len(left)} of the columns by up to {moved.max():.1e} of their length, and {self.tol:.1e} is asked for. Raise "
            "absorb_max_iter or absorb_tol, or absorb fewer factors."
        )

    def _centre(self, x: np.ndarray, effects: list[np.ndarray]) -> np.ndarray:
        """Centre columns, so that where they stand costs no digits; their lengths about the mean, shape (p,)."""
        w = self.weights
        with np.errstate(over="ignore", invalid="ignore"):
            for j in range(x.shape[1]):
                for _ in range(2):  # the first mean's rounding is of the size of where the column stands
                    mean = float(np.mean(x[:, j])) if w is None else float(w @ x[:, j]) / float(w.sum())
                    x[:, j] -= mean
                    effects[self.factors.main][:, j] += mean
        return self._length(x, np.arange(x.shape[1]))

    def _length(self, x: np.ndarray, left: np.ndarray) -> np.ndarray:
        return np.sqrt([np.dot(x[:, j], x[:, j] if self.weights is None else self.weights * x[:, j]) for j in left])

    def _sums(self, x: np.ndarray, q: int, left: np.ndarray) -> np.ndarray:
        """Weighted sums of columns by level of a factor, shape (levels, p)."""
        code, size = self.factors.codes[q], self.factors.sizes[q]
        out = np.empty((size, len(left)))
        for k, j in enumerate(left):
            column = x[:, j] if self.weights is None else self.weights * x[:, j]
            out[:, k] = np.bincount(code, weights=column, minlength=size)
        return out

    def _subtract(self, x: np.ndarray, q: int, left: np.ndarray, change: np.ndarray) -> None:
        code = self.factors.codes[q]
        for k, j in enumerate(left):
            level, column = np.ascontiguousarray(change[:, k]), x[:, j]
            for rows in row_blocks(len(column), 1):
                column[rows] -= level[code[rows]]

    def _solve(self, sums: list[np.ndarray], length: np.ndarray, most: int) -> tuple[list[np.ndarray], int]:
        """Effects whose sums by level are those of the columns, of any factor's (levels, p)."""
        factors, main = self.factors, self.factors.main
        inverse = self.inverses[main][:, None]
        means = sums[main] * inverse
        if not factors.others:
            return [means], 0
        sides = [self.cells[main, q] for q in factors.others]
        rhs = np.concatenate([sums[q] - side.T @ means for q, side in zip(factors.others, sides, strict=True)])
        rest = np.sqrt(np.maximum(length**2 - np.einsum("ij,ij->j", means, sums[main]), 0.0))
        size = np.concatenate([self.inverses[q] for q in factors.others])
        cuts = np.cumsum([factors.sizes[q] for q in factors.others])[:-1]
        # Columns that hardly anything is left of are looked at again in the next round, in their own length.
        target = 0.3 * self.tol * np.maximum(rest, SPANNED * length)
        apply, scale = self._apply(sides, cuts), self._preconditioner[:, None]
        first = min(most, _SLOW)
        found, steps, left = conjugate_gradients(apply, rhs, lambda r: r * scale, size, target, first)
        if (left > target).any() and steps < most:
            # Levels that meet in few others: steps are many, and the equations sparse enough to factorise.
            factor = self._factor
            near = (lambda r: r * scale) if factor is None else factor
            more, further, _ = conjugate_gradients(apply, rhs - apply(found), near, size, target, most - steps)
            found, steps = found + more, steps + further
        parts = np.split(found, cuts)
        out: list[np.ndarray] = [means] * len(factors.sizes)
        for q, side, part in zip(factors.others, sides, parts, strict=True):
            out[q] = part
            out[main] = out[main] - inverse * (side @ part)
        return out, steps

    def _apply(self, sides: list[Any], cuts: np.ndarray) -> Any:
        """The normal equations of the other factors' effects, the main factor eliminated, as a function of (m, p)."""
        main, others = self.factors.main, self.factors.others
        inverse = self.inverses[main][:, None]
        totals = [self.totals[q][:, None] for q in others]

        def apply(b: np.ndarray) -> np.ndarray:
            parts = np.split(b, cuts)
            through = sides[0] @ parts[0]
            for side, part in zip(sides[1:], parts[1:], strict=True):
                through += side @ part
            through *= inverse
            out = []
            for i, p in enumerate(others):
                image = totals[i] * parts[i]
                image -= sides[i].T @ through
                for j, q in enumerate(others):
                    if i < j:
                        image += self.cells[p, q] @ parts[j]
                    elif j < i:
                        image += self.cells[q, p].T @ parts[j]
                out.append(image)
            return out[0] if len(out) == 1 else np.concatenate(out)

        return apply


def effect_sums(factors: Factors, effects: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    """Sum of the effects of each row's levels, shape (n,), from one vector by factor."""
    out = effects[0][factors.codes[0]]
    for code, effect in zip(factors.codes[1:], effects[1:], strict=True):
        out += effect[code]
    return out
