"""A source and a target sample behind one formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design, design
from statinf.formula.given import aligned
from statinf.formula.recipe import NewRows, Recipe


@dataclass(frozen=True)
class Target:
    """The target's columns, made by the recipe of the source.

    Attributes
    ----------
    x : ndarray, shape (m, p)
        Columns of the covariates, the constant included where the formula has one.
    weights : ndarray, shape (m,)
        Row weights; ones if none were given.
    rows : ndarray of int, shape (m,)
        Row numbers in the target frame.
    n_total : int
        Rows of the target frame.
    dropped : mapping of str to int
    offset : ndarray, shape (m,), or None
    """

    x: np.ndarray
    weights: np.ndarray
    rows: np.ndarray
    n_total: int
    dropped: Mapping[str, int]
    offset: np.ndarray | None = None


@dataclass(frozen=True)
class Samples:
    """Both samples as arrays, without the constant.

    Attributes
    ----------
    source : Design
    xs, xt : ndarray, shape (n, p) and (m, p)
    ws, wt : ndarray, shape (n,) and (m,)
        Row weights.
    names : tuple of str, length p
    target : Target
    """

    source: Design
    xs: np.ndarray
    xt: np.ndarray
    ws: np.ndarray
    wt: np.ndarray
    names: tuple[str, ...]
    target: Target

    @property
    def recipe(self) -> Recipe:
        return self.source.recipe


def two_samples(
    formula: str,
    source: Any,
    target: Any,
    *,
    weights: Any = None,
    target_weights: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> Samples:
    """Read a one-sided formula against the source and make the same columns of the target.

    Raises
    ------
    FormulaError
        If the formula has an outcome or no covariate.
    DataError
        If the target lacks a column or has a level that the source does not have, or a column is constant.
    """
    made = design(formula, source, weights=weights, na_action=na_action, context=context, response="none")
    matrix = made.parts[0].without_intercept()
    if matrix.p == 0:
        raise FormulaError("the formula has no covariates in which the samples could differ; write '~ x1 + x2'.")
    other = target_rows(made.recipe, target, target_weights, na_action)
    xt = other.x[:, 1:] if made.parts[0].intercept else other.x
    check_constant(matrix.values, xt, matrix.names)
    return Samples(made, matrix.values, xt, made.weights, other.weights, matrix.names, other)


def target_rows(recipe: Recipe, target: Any, weights: Any = None, na_action: str = "drop") -> Target:
    """The usable rows of the target frame."""
    try:
        rows = recipe.new_rows(target, warn=False)
    except DataError as error:
        raise DataError(f"target frame: {error}") from None
    unseen = [cause for cause in rows.causes if "unseen level" in cause]
    if unseen:
        raise DataError(
            f"target frame: {'; '.join(unseen)}. The source has no such row, so nothing can be said about these; leave "
            "them out of the target or merge the levels in both frames."
        )
    if na_action == "raise" and rows.causes:
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in rows.causes.items())
        raise DataError(f"na_action='raise' and rows of the target frame cannot be used: {listed}.")
    given = _weights_of(weights, rows)
    dropped = dict(rows.causes)
    ok = rows.ok & ~np.isnan(given)
    if (rows.ok & ~ok).any():
        dropped["its weight is missing"] = int((rows.ok & ~ok).sum())
    if not ok.any():
        listed = "; ".join(f"{count}: {cause}" for cause, count in dropped.items())
        raise DataError(f"no row of the target frame can be used ({listed or 'it is empty'}).")
    kept = np.flatnonzero(ok)
    if not (given[kept] > 0).any():
        raise DataError("all target weights are zero; at least some must be positive.")
    x = rows.parts["covariates"].values[kept]
    offset = None if rows.offset is None else rows.offset[kept]
    return Target(x, given[kept], kept, rows.n, dropped, offset)


def _weights_of(weights: Any, rows: NewRows) -> np.ndarray:
    if weights is None:
        return np.ones(rows.n)
    if isinstance(weights, str):
        from statinf.formula.frame import as_frame

        frame = as_frame(rows.frame.native, [weights])
        frame.require(weights)
        values = np.asarray(getattr(frame.column(weights), "values", None), dtype=np.float64)
        name = f"target_weights '{weights}'"
    else:
        name = "target_weights"
        values = np.asarray(aligned(weights, rows.frame, name), dtype=np.float64)
    if values.shape != (rows.n,):
        raise DataError(
            f"{name} has shape {values.shape}; give one weight a row of the target frame, shape ({rows.n},)."
        )
    if (values < 0).any() or np.isinf(values).any():
        raise DataError(f"{name} holds negative or infinite values; weights are finite and at least 0.")
    return values


def check_constant(xs: np.ndarray, xt: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse columns that do not vary over both samples together."""
    flat = [n for j, n in enumerate(names) if np.all(xs[:, j] == xs[0, j]) and np.all(xt[:, j] == xs[0, j])]
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
