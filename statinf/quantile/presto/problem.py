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
from statinf.models.categories import ordered_levels
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
    if design.offset is not None:
        raise DataError("an offset has no place in a model of boundaries; take offset() out of the formula.")
    levels, codes = ordered_levels(design, reverse=reverse)
    matrix = design.parts[0].without_intercept()
    if not matrix.names:
        raise DataError("the formula has no column besides the intercept; add a term.")
    check_columns(matrix)
    used = np.flatnonzero(design.weights > 0)
    rows = PrestoRows(np.ascontiguousarray(matrix.values[used]), codes, len(levels), design.weights[used])
    groups = None if cluster is None else design.cluster_codes(cluster)[used]
    return PrestoProblem(design, rows, used, matrix, levels, groups, seed)
