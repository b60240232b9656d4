"""A source and a target sample behind one formula, read once for every method of the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.numerics.order.content import content_order
from statinf.shifts.distinct import Distinct
from statinf.shifts.scaling import Scaling, pooled_scaling, weighted_scaling
from statinf.shifts.target import TargetRows

_FEW = 1000


@dataclass(frozen=True, repr=False)
class Samples(Brief):
    """Both samples as arrays.

    The arrays that a density ratio is made of hold the rows of positive weight in an order of their own, by content, so
    that nothing that is drawn by a row's place depends on the order of the caller's rows. They are made when a method
    asks for them.

    Attributes
    ----------
    design : Design
        The formula on the source rows: outcome where it has one, and covariates.
    target : TargetRows
    source : Design
        The covariates of the density ratio, on the same source rows.
    role : str
        Of these covariates among the parts of the target.
    seed : int
        Of everything that is drawn.
    drawn : bool
        Whether anything is drawn; else rows keep the caller's order, which costs no sort.
    """

    design: Design
    target: TargetRows
    source: Design
    role: str = "covariates"
    seed: int = 0
    drawn: bool = True

    @property
    def recipe(self) -> Recipe:
        """Of the covariates of the ratio."""
        return self.source.recipe

    @cached_property
    def _columns(self) -> Matrix:
        return self.source.parts[0].without_intercept()

    @cached_property
    def _target_columns(self) -> np.ndarray:
        return self.target.parts[self.role][:, int(self.source.parts[0].intercept) :]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the covariates of the ratio, without the constant, length p."""
        return self._columns.names

    @cached_property
    def at_source(self) -> np.ndarray:
        """Where the rows of `xs` stand among the rows of `source`, shape (n,)."""
        if not self.drawn:
            return np.flatnonzero(self.design.weights > 0)
        outcome = () if self.design.response is None else (self.design.y,)
        return _order(self._columns.values, self.design.weights, *outcome)

    @cached_property
    def at_target(self) -> np.ndarray:
        """Where the rows of `xt` stand among the rows of `target`, shape (m,)."""
        if not self.drawn:
            return np.flatnonzero(self.target.weights > 0)
        return _order(self._target_columns, self.target.weights)

    @cached_property
    def xs(self) -> np.ndarray:
        """Covariates of the source rows of positive weight, shape (n, p)."""
        return self._columns.values if self._as_given else _taken(self._columns.values, self.at_source)

    @cached_property
    def xt(self) -> np.ndarray:
        """Covariates of the target rows of positive weight, shape (m, p)."""
        return _taken(self._target_columns, self.at_target)

    @cached_property
    def ws(self) -> np.ndarray:
        """Weights of the rows of `xs`, shape (n,)."""
        return self.design.weights if self._as_given else self.design.weights[self.at_source]

    @cached_property
    def _as_given(self) -> bool:
        """Whether the arrays are the rows of `source`, all of them in their order."""
        return not self.drawn and len(self.at_source) == self.source.n

    @property
    def whole(self) -> bool:
        """Whether the arrays are all rows of both samples in their order."""
        return self._as_given and self.target.known is None and _whole(self.at_target, len(self.target.rows))

    @cached_property
    def distinct(self) -> Distinct:
        """The source rows of positive weight by what differs between them, where margins are known; else one by one."""
        cells = getattr(self._columns, "cells", None) if self.target.known is not None else None
        if cells is None:
            return Distinct(self.xs, self.ws, None)
        return Distinct.of_cells(cells.x, cells.of if self._as_given else cells.of[self.at_source], self.ws)

    @cached_property
    def wt(self) -> np.ndarray:
        """Weights of the rows of `xt`, shape (m,)."""
        return self.target.weights[self.at_target]

    @cached_property
    def y(self) -> np.ndarray | None:
        """The outcome on the rows of `xs`, shape (n,), where the formula has one."""
        return None if self.design.response is None else self.design.y[self.at_source]

    @cached_property
    def scaling(self) -> Scaling:
        """The columns' centre and spread over both samples; over the source where the target's means are known."""
        if self.target.known is not None:
            return weighted_scaling(self.distinct.x, self.distinct.w / self.distinct.w.sum())
        return pooled_scaling(self.xs, self.xt, self.ws, self.wt)

    @property
    def unequal(self) -> bool:
        """Whether rows of one sample have different weights."""
        return any(float(np.ptp(w)) > 1e-12 * float(w.max()) for w in (self.ws, self.wt))

    def on_source(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows of `xs`, shape (n, ...), on all rows of `source`; zero on rows of weight zero."""
        return values if self._as_given else _spread(values, self.at_source, self.source.n)

    def on_target(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows of `xt`, shape (m, ...), on all rows of `target`; zero on rows of weight zero."""
        return _spread(values, self.at_target, len(self.target.rows))


@dataclass(frozen=True, repr=False)
class UnsortedSamples(Samples):
    """The same in the order of the caller's rows, for methods that draw nothing: no sort, and no copy of the columns."""

    @cached_property
    def at_source(self) -> np.ndarray:
        return np.flatnonzero(self.design.weights > 0)

    @cached_property
    def at_target(self) -> np.ndarray:
        return np.flatnonzero(self.target.weights > 0)


def _taken(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of columns, shape (len(rows), p), each column contiguous."""
    if _whole(rows, len(columns)):
        return columns
    return columns.T[:, rows].T


def _whole(rows: np.ndarray, n: int) -> bool:
    """Whether these are all rows in their order."""
    return len(rows) == n and (n == 0 or (rows[0] == 0 and bool((np.diff(rows) == 1).all())))


def _spread(values: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
    if _whole(at, n):
        return values
    out = np.zeros((n, *values.shape[1:]))
    out[at] = values
    return out


def _order(x: np.ndarray, w: np.ndarray, *beside: np.ndarray) -> np.ndarray:
    """Positions of the rows of positive weight, by content."""
    used = np.flatnonzero(w > 0)
    return used[content_order(*x[used].T, w[used], *(b[used] for b in beside))]


def check_columns(samples: Samples) -> None:
    """Refuse samples in whose columns nothing can differ.

    Raises
    ------
    FormulaError
        If the formula has no covariate.
    DataError
        If a column is the same number on every row of both samples.
    """
    if not samples.names:
        raise FormulaError("the formula has no covariates in which the samples could differ; write '~ x1 + x2'.")
    if samples.target.known is not None:
        return
    first = samples.xs[0]

    def flat_so_far(rows: int) -> np.ndarray:
        return (samples.xs[:rows] == first).all(axis=0) & (samples.xt[:rows] == first).all(axis=0)

    # A few rows tell of nearly every column that it varies.
    same = flat_so_far(_FEW)
    for j in np.flatnonzero(same):
        same[j] = bool((samples.xs[:, j] == first[j]).all() and (samples.xt[:, j] == first[j]).all())
    flat_columns(samples.names, same)


def flat_columns(names: tuple[str, ...], same: np.ndarray) -> None:
    """Refuse columns that are the same number on every row of both samples, flagged (p,).

    Raises
    ------
    DataError
    """
    flat = [name for name, constant in zip(names, same, strict=True) if constant]
    if flat:
        raise DataError(
            f"constant in both samples: {', '.join(map(repr, flat))}. A column that does not vary says nothing about the "
            "shift; leave it out of the formula."
        )


def left_out(source: Mapping[str, int], target: Mapping[str, int]) -> list[str]:
    """A note for each sample that lost rows, with the causes and their counts."""
    return [
        f"Rows of the {what} left out: " + "; ".join(f"{n} ({cause})" for cause, n in dropped.items()) + "."
        for what, dropped in (("source", source), ("target", target))
        if dropped
    ]
