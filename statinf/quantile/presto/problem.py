"""From a design of ordered categories to the rows of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_columns
from statinf.quantile.presto.rows import PrestoRows


@dataclass(frozen=True, repr=False)
class PrestoProblem(Brief):
    """Rows of positive weight with ordered categories.

    Attributes
    ----------
    design : Design
    rows : PrestoRows
    used : ndarray of int, shape (n,)
        Positions among the design's rows.
    matrix : Matrix
        Columns without the intercept; the boundaries have intercepts of their own.
    levels : tuple
        In the order of the fit, the rare one last.
    groups : ndarray of int, shape (n,), or None
        Clusters, which folds and draws keep whole.
    seed : int
    """

    design: Design
    rows: PrestoRows
    used: np.ndarray
    matrix: Matrix
    levels: tuple[Any, ...]
    groups: np.ndarray | None
    seed: int


def presto_problem(
    design: Design, *, reverse: bool = False, cluster: str | None = None, seed: int = 0
) -> PrestoProblem:
    """The problem of a design read with `response="ordered"`.

    Raises
    ------
    DataError
        If there are fewer than three categories, one has no row, no column is left, or there is an offset.
    """
    assert design.levels is not None
    name, levels = design.response_names[0], design.levels
    codes = np.asarray(design.response, np.intp)
    if reverse:
        levels, codes = levels[::-1], len(levels) - 1 - codes
    if design.offset is not None:
        raise DataError("an offset has no place in a model of boundaries; take offset() out of the formula.")
    check_levels(name, levels)
    matrix = design.parts[0].without_intercept()
    if not matrix.names:
        raise DataError("the formula has no column besides the intercept; add a term.")
    check_columns(matrix)
    used = np.flatnonzero(design.weights > 0)
    counts = np.bincount(codes[used], minlength=len(levels))
    if not counts.all():
        raise DataError(
            f"no row has the category {levels[int(np.argmin(counts))]!r} of '{name}'; drop it from the column's categories "
            "(remove_unused_categories() in pandas), or join it to a neighbour."
        )
    rows = PrestoRows(np.ascontiguousarray(matrix.values[used]), codes[used], len(levels), design.weights[used])
    groups = None if cluster is None else design.cluster_codes(cluster)[used]
    return PrestoProblem(design, rows, used, matrix, tuple(levels), groups, seed)


def check_levels(name: str, levels: tuple[Any, ...]) -> None:
    """Refuse fewer than three categories."""
    if len(levels) == 2:
        raise DataError(
            f"the outcome '{name}' has two categories; use logistic regression, si.glm(..., family='binomial')."
        )
    if len(levels) < 2:
        only = f"only the category {levels[0]!r}" if levels else "no category"
        raise DataError(f"the outcome '{name}' has {only} in the rows used; at least three are needed.")
    if len(set(map(str, levels))) < len(levels):
        raise DataError(
            f"categories of the outcome '{name}' look the same when they are written out: {', '.join(map(repr, levels))}."
        )


def boundary_names(levels: tuple[Any, ...]) -> tuple[str, ...]:
    """Names of the boundaries between neighbouring categories, such as "low|mid"."""
    return tuple(f"{below}|{above}" for below, above in zip(levels[:-1], levels[1:], strict=True))
