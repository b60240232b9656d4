"""A source and a target sample behind one formula, read once for every method of the family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, OptionError
from statinf.formula.design import Design, design
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.numerics.order.content import content_order
from statinf.results import Weights
from statinf.shifts.margins import Margins
from statinf.shifts.scaling import Scaling, pooled_scaling, weighted_scaling
from statinf.shifts.target import TargetRows, known_target, target_rows


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
    """

    design: Design
    target: TargetRows
    source: Design
    role: str = "covariates"
    seed: int = 0

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
        outcome = () if self.design.response is None else (self.design.y,)
        return _order(self._columns.values, self.design.weights, *outcome)

    @cached_property
    def at_target(self) -> np.ndarray:
        """Where the rows of `xt` stand among the rows of `target`, shape (m,)."""
        return _order(self._target_columns, self.target.weights)

    @cached_property
    def xs(self) -> np.ndarray:
        """Covariates of the source rows of positive weight, shape (n, p)."""
        return _taken(self._columns.values, self.at_source)

    @cached_property
    def xt(self) -> np.ndarray:
        """Covariates of the target rows of positive weight, shape (m, p)."""
        return _taken(self._target_columns, self.at_target)

    @cached_property
    def ws(self) -> np.ndarray:
        """Weights of the rows of `xs`, shape (n,)."""
        return self.design.weights[self.at_source]

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
            return weighted_scaling(self.xs, self.ws / self.ws.sum())
        return pooled_scaling(self.xs, self.xt, self.ws, self.wt)

    def on_source(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows of `xs`, shape (n, ...), on all rows of `source`; zero on rows of weight zero."""
        return _spread(values, self.at_source, self.source.n)

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


def read_samples(
    formula: str,
    source: Any,
    target: Any,
    *,
    ratio_formula: str | None = None,
    response: str = "none",
    weights: Any = None,
    ratio: Weights | None = None,
    target_weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Samples:
    """Read a formula against the source and make the same columns of the target.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, or `~ terms` with `response="none"`.
    source : data frame
    target : data frame or Margins
    ratio_formula : str, optional
        `~ terms` of the density ratio where they are others; rows that lack a column of either are left out.
    response : {"none", "numeric"}
    weights, target_weights, cluster, na_action, context
        As in `statinf.lm`, and the target's.
    ratio : Weights, optional
        A given density ratio: rows that it has no weight for are left out. Excludes `weights`.
    seed : int

    Raises
    ------
    FormulaError
        If a formula cannot be read.
    DataError
        If the frames lack columns, the target has infinite values or a level that the source does not have, or no row
        is left.
    """
    options: dict[str, Any] = {
        "weights": weights if ratio is None else ratio,
        "cluster": cluster,
        "na_action": na_action,
        "context": context,
    }
    if ratio_formula is None:
        made = design(formula, source, response=response, **options)
    else:
        text = f"{formula} | {ratio_terms(ratio_formula)}"
        made = design(text, source, response=response, roles=("covariates", "ratio"), **options)
    if ratio is not None:
        made = replace(made, weights=np.ones(made.n), weights_object=None)
    if isinstance(target, Margins):
        other = known_target(made.recipe, target)
    else:
        other = target_rows(made.recipe, target, target_weights, na_action)
    whole, columns = made, made
    if ratio_formula is not None:
        whole, columns = part_alone(made, 0, formula), part_alone(made, 1, ratio_formula, outcome=False)
    return Samples(whole, other, columns, "covariates" if ratio_formula is None else "ratio", seed)


def ratio_terms(formula: str) -> str:
    """The right-hand side of a formula that has no left one."""
    left, tilde, right = formula.partition("~") if isinstance(formula, str) else ("", "", "")
    if not tilde or left.strip() or not right.strip():
        raise FormulaError(f"ratio_formula={formula!r}: write the columns of the density ratio as '~ x1 + x2'.")
    return right


def part_alone(made: Design, number: int, formula: str, *, outcome: bool = True) -> Design:
    """The design of one part, with a recipe that knows nothing of the others; without the outcome if that is not its own."""
    recipe = made.recipe
    part = replace(recipe.parts[number], role="covariates")
    response, offset = (recipe.response, recipe.offset) if outcome else ((), ())
    labels = (*part.factors, *response, *offset)
    factors = {label: recipe.factors[label] for label in labels}
    text = " ".join(formula.split())
    alone = replace(recipe, formula=text, parts=(part,), response=response, offset=offset, factors=factors)
    found = replace(made, parts=(made.parts[number],), roles=("covariates",), recipe=alone)
    return found if outcome else replace(found, response=None, response_names=(), offset=None)


def _order(x: np.ndarray, w: np.ndarray, *beside: np.ndarray) -> np.ndarray:
    """Positions of the rows of positive weight, by content."""
    used = np.flatnonzero(w > 0)
    return used[content_order(*x[used].T, w[used], *(b[used] for b in beside))]


def check_sampling(weights: Any) -> None:
    """Refuse estimated weights where sampling weights are asked for: their errors would not be counted.

    Raises
    ------
    OptionError
    """
    if isinstance(weights, Weights):
        raise OptionError(
            "weights= are sampling weights here, numbers or a column; those of a Weights were estimated, which these standard "
            "errors do not count. Give their values with np.asarray(weights) to take them as known."
        )


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
    same = (samples.xs == first).all(axis=0) & (samples.xt == first).all(axis=0)
    flat = [name for name, constant in zip(samples.names, same, strict=True) if constant]
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
